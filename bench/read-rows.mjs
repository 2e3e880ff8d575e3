// The baseline of an upload: the same file, read into rows and dropped, in a process of its own.
import { createReadStream } from 'node:fs'
import { readRows } from '../packages/bulk/dist/read-rows.js'
import { watchProcess } from './stack.mjs'

const [file, format] = process.argv.slice(2)
const finish = watchProcess(process.pid)
const began = performance.now()
let rows = 0
for await (const row of readRows(createReadStream(file), { format })) if (row.problems.length === 0) rows += 1
console.log(JSON.stringify({ rows, ms: performance.now() - began, ...finish() }))
