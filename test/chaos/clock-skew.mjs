// Loaded before a program (node --import): its clock is wrong by MUSTER_CLOCK_SKEW_MS.
const skew = Number(process.env.MUSTER_CLOCK_SKEW_MS ?? 0)
const RealDate = Date
const now = RealDate.now.bind(RealDate)
globalThis.Date = class extends RealDate {
  constructor(...values) {
    if (values.length === 0) super(now() + skew)
    else super(...values)
  }
  static now() {
    return now() + skew
  }
}
