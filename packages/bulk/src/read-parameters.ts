import type { BulkQuery } from '@muster/contracts/batch'
import type { ReadOptions } from './read-rows.ts'

/** How a file is to be read, of what its address says. */
export function toReadParameters(
  query: Pick<BulkQuery, 'delimiter' | 'charset' | 'trim' | 'date_format' | 'time_zone'>,
): Pick<ReadOptions, 'delimiter' | 'charset' | 'keepsSpaces' | 'dateFormat' | 'timeZone'> {
  const { delimiter, charset, trim, date_format: dateFormat, time_zone: timeZone } = query
  return {
    ...(delimiter === undefined ? {} : { delimiter }),
    ...(charset === undefined ? {} : { charset }),
    ...(trim === undefined ? {} : { keepsSpaces: !trim }),
    ...(dateFormat === undefined ? {} : { dateFormat }),
    ...(timeZone === undefined ? {} : { timeZone }),
  }
}
