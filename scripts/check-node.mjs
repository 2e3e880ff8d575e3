// Written in the syntax of 2015 and importing nothing, so that an old Node can read it and say what is wrong.
var parts = process.versions.node.split('.')
var major = Number(parts[0])
var minor = Number(parts[1])

if (major < 20 || (major === 20 && minor < 19)) {
  console.error('Muster needs Node 20.19 or newer; this is Node ' + process.versions.node + '.')
  process.exit(1)
}
