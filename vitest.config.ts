import { configDefaults, defineConfig } from 'vitest/config'

/**
 * What measures when calls arrive would measure other tests; and owners of lanes take up every lane of the Redis that
 * they share, so that those of two files would take each other's.
 */
const alone = [
  'test/faults/limits.test.ts',
  'packages/lanes/src/lanes.test.ts',
  'packages/lanes/src/lanes-backlog.test.ts',
]
const all = ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'apps/*/test/**/*.test.ts', 'test/**/*.test.ts']

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    // The long ones wait for leases and time-outs more than they compute; vitest's own choice on two cores would be one
    // at a time.
    maxWorkers: 3,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // What a project includes is added to what it extends, so that neither extends any.
    projects: [
      {
        extends: true,
        test: {
          name: 'side by side',
          include: all,
          exclude: [...configDefaults.exclude, ...alone],
          sequence: { groupOrder: 0 },
        },
      },
      { extends: true, test: { name: 'alone', include: alone, fileParallelism: false, sequence: { groupOrder: 1 } } },
    ],
  },
})
