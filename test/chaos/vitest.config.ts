import { defineConfig, mergeConfig } from 'vitest/config'
import base from '../../vitest.config.ts'

/** One scenario after another: each has the machine to itself. */
const config = mergeConfig(base, defineConfig({ test: { fileParallelism: false } }))
export default { ...config, test: { ...config.test, include: ['test/chaos/full-run.ts'] } }
