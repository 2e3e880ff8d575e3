import { defineConfig, mergeConfig } from 'vitest/config'
import base from '../../vitest.config.ts'

/** One scenario after another: each has the machine to itself. */
const config = mergeConfig(base, defineConfig({ test: { fileParallelism: false } }))
const { projects: _projects, ...test } = config.test ?? {}
export default { ...config, test: { ...test, include: ['test/chaos/full-run.ts'] } }
