export function findFreePort(host?: string): Promise<number>
