export function findOrInstallProxy(
  name: 'nginx' | 'caddy',
  options?: { say?: (line: string) => void },
): Promise<string | undefined>
