// Started by ./lora and lora.cmd: checks Node, then hands over. Old syntax only, so that an old
// Node can still say why.
var found = process.versions.node.split('.').map(Number);
if (found[0] < 20 || (found[0] === 20 && found[1] < 9)) {
  console.error(
    'lora needs Node 20.9 or newer; this is Node ' +
      process.versions.node +
      '. Get a newer one from https://nodejs.org',
  );
  process.exit(1);
}
require('./prepare.cjs');
