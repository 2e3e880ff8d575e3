/**
 * What reached a simulator: 429s, and how the calls lie between the first and the last. @param until leaves out later
 * ones
 */
export async function readCalls(muster, provider, until = Infinity) {
  const { requests } = await muster.control(provider, 'GET', 'ledger')
  const times = requests.map(({ at }) => Date.parse(at)).filter((at) => at <= until)
  const refused = requests.filter(
    ({ status, path }) => status === 429 || (status === 403 && path.includes('/directory/')),
  ).length
  const spanMs = (times.at(-1) ?? 0) - (times[0] ?? 0)
  return {
    count: times.length,
    refused,
    firstAt: times[0] ?? NaN,
    lastAt: times.at(-1) ?? NaN,
    perSecond: times.length > 1 ? ((times.length - 1) * 1000) / spanMs : 0,
  }
}
