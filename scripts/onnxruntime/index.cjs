// Entry of the copy of onnxruntime-node that lies in the package: says which machines it is for,
// then hands over.
const { existsSync, readdirSync } = require('node:fs');
const { join } = require('node:path');

const folder = join(__dirname, 'bin', 'napi-v6');

/** Names such as linux-x64, one for each folder of binaries. */
const platforms = () =>
  readdirSync(folder).flatMap((os) => readdirSync(join(folder, os)).map((cpu) => `${os}-${cpu}`));

/** Without a stack: where this was thrown helps nobody. */
function fault(message, cause) {
  const error = new Error(message, { cause });
  error.stack = message;
  return error;
}

if (!existsSync(join(folder, process.platform, process.arch))) {
  const here = `${process.platform}-${process.arch}`;
  throw fault(
    `This package of lora-scripts was made for ${platforms().join(', ')}; this machine is ${here}. ` +
      `Run "npm pack" on a machine of this kind, or LORA_PLATFORMS=${here} npm pack on another.`,
  );
}

try {
  module.exports = require('./dist/index.js');
} catch (error) {
  throw fault(
    `ONNX Runtime, which comes with lora-scripts, cannot be loaded on this machine: ${error.message}`,
    error,
  );
}
