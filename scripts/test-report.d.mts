interface TestReport {
  numPassedTests: number
  testResults: {
    name: string
    status: string
    message: string
    assertionResults: { status: string; ancestorTitles: string[]; title: string }[]
  }[]
}

export function countTests(
  exit: { code: number | null; signal?: string | null },
  report: TestReport | undefined,
): { passed: number; failures: string[] }
