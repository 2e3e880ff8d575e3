const [WIDTH, HEIGHT] = [760, 420]
const [LEFT, RIGHT, TOP, BOTTOM] = [80, 20, 44, 48]
const MOST_POINTS = 400

/** Rows ended over time, against what the limits would have allowed from the first call on. */
export function toSvg({ points, firstAt, rows, allowed, title }) {
  const lastAt = Math.max(points.at(-1)?.at ?? firstAt, firstAt + (rows / allowed) * 1000)
  const x = (at) => LEFT + ((at - firstAt) / (lastAt - firstAt)) * (WIDTH - LEFT - RIGHT)
  const y = (ended) => HEIGHT - BOTTOM - (ended / rows) * (HEIGHT - TOP - BOTTOM)
  const point = (at, ended) => `${x(at).toFixed(1)},${y(ended).toFixed(1)}`
  const every = Math.ceil(points.length / MOST_POINTS)
  const shown = points.filter(({ at }, index) => at >= firstAt && (index % every === 0 || index === points.length - 1))
  const seconds = (lastAt - firstAt) / 1000
  const ticks = [0, 0.25, 0.5, 0.75, 1]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="#333">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="24" font-size="14">${title}</text>`,
    ...ticks.flatMap((share) => [
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(rows * share)}" y2="${y(rows * share)}" stroke="#ddd"/>`,
      `<text x="${LEFT - 8}" y="${y(rows * share) + 4}" text-anchor="end">${Math.round(rows * share)}</text>`,
      `<text x="${x(firstAt + share * seconds * 1000)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${Math.round(seconds * share)} s</text>`,
    ]),
    `<polyline points="${point(firstAt, 0)} ${point(firstAt + (rows / allowed) * 1000, rows)}" fill="none" stroke="#999" stroke-dasharray="6 4"/>`,
    `<polyline points="${[point(firstAt, 0), ...shown.map(({ at, ended }) => point(at, ended))].join(' ')}" fill="none" stroke="#0a66c2" stroke-width="2"/>`,
    `<text x="${LEFT + 10}" y="${TOP + 14}" fill="#0a66c2">rows ended</text>`,
    `<text x="${LEFT + 10}" y="${TOP + 30}" fill="#777">what the limits allow</text>`,
    '</svg>',
    '',
  ].join('\n')
}
