// Types for the tests that start a Redis of their own; redis.mjs says what each part means.
export interface StartedRedis {
  url: string
  port: number
  pid: number
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  stop(signal?: NodeJS.Signals): Promise<unknown>
}

export function startRedis(options: {
  dir: string
  port?: number
  appendonly?: false | 'everysec' | 'always'
  command?: string
  logFile?: string
  databases?: number
}): Promise<StartedRedis>

export function pingRedis(url: string, timeoutMs?: number): Promise<string | undefined>
