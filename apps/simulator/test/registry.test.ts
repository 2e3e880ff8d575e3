import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { vendorFolders } from '../src/registry.ts'

describe('which vendors a build serves', () => {
  let folder: string
  const write = (path: string): void => {
    mkdirSync(join(folder, path), { recursive: true })
    writeFileSync(join(folder, path, path.startsWith('src') ? 'simulator.ts' : 'simulator.js'), '')
  }
  const served = (): string[] => vendorFolders(pathToFileURL(join(folder, 'dist/')), 'simulator.js').sort()

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'muster-vendors-'))
    write('dist/okta')
    write('dist/deleted')
    mkdirSync(join(folder, 'dist/empty'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  test('not one whose source was deleted, though its output is still there', () => {
    write('src/okta')
    expect(served()).toEqual(['okta'])
  })

  test('all of them where there are no sources, as in the image', () => {
    expect(served()).toEqual(['deleted', 'okta'])
  })
})
