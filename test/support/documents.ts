import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))
export const read = (path: string): string => readFileSync(join(root, path), 'utf8')

function filesUnder(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '.' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory())
      return ['node_modules', 'dist', '.git', '.muster'].includes(entry.name) ? [] : filesUnder(path)
    return [path]
  })
}

/** Every file of the repository that is not made by an installation or a build. */
export const files = filesUnder('.')
export const documents = files.filter((path) => path.endsWith('.md'))

/** Cells of every table row of a document or one section of it, without the rows of dashes. */
export function tableRows(path: string, heading?: string): string[][] {
  const text = read(path)
  return (heading === undefined ? text : (text.split(`# ${heading}\n`)[1]?.split('\n## ')[0] ?? ''))
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\|[-| ]+\|$/.test(line))
    .map((line) =>
      line
        .replace(/^\| | \|$/g, '')
        .split(' | ')
        .map((cell) => cell.trim()),
    )
}

export const uncode = (cell: string): string => cell.replaceAll('`', '')

/** The text with another content between `<!-- generated: name -->` and `<!-- end -->`. */
export function replaceBlock(text: string, name: string, content: string): string {
  const [before, rest] = text.split(`<!-- generated: ${name} -->\n`)
  const [, ...after] = (rest ?? '').split('<!-- end -->\n')
  if (rest === undefined || after.length === 0) throw new Error(`There is no generated block "${name}".`)
  return `${before ?? ''}<!-- generated: ${name} -->\n\n${content}\n\n<!-- end -->\n${after.join('<!-- end -->\n')}`
}
