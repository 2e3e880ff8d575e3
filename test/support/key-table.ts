import { keyTable } from '../../packages/store/src/redis/keys.ts'
import { replaceBlock } from './documents.ts'

/** docs/redis-keys.md with its table as the store has the keys now. */
export const withKeyTable = (text: string): string =>
  replaceBlock(
    text,
    'redis keys',
    ['| key | what it is |', '|---|---|', ...Object.values(keyTable).map(toRow)].join('\n'),
  )

const toRow = ([name, content]: readonly [name: string, content: string]): string => `| \`${name}\` | ${content} |`
