export function findRedisServer(): string | undefined
export function findOrInstallRedisServer(options?: { say?: (line: string) => void }): Promise<string | undefined>
