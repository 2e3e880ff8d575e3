import { findOrInstallProgram } from './find-program.mjs'

const proxies = {
  nginx: {
    title: 'nginx',
    names: ['nginx'],
    packages: { 'apt-get': ['nginx-light', 'nginx'], apk: ['nginx'], dnf: ['nginx'], brew: ['nginx'] },
  },
  caddy: {
    title: 'caddy',
    names: ['caddy'],
    packages: { 'apt-get': ['caddy'], apk: ['caddy'], dnf: ['caddy'], brew: ['caddy'] },
  },
}

/** The path of that proxy, installed where it has to be and can be; `options` as for `findOrInstallProgram`. */
export const findOrInstallProxy = (name, options) => findOrInstallProgram(proxies[name], options)
