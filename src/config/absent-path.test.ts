// Values that are no path here, though they look like one: each was written in a configuration.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, test } from 'node:test';
import { explainAbsent, type AbsentOptions } from './absent-path.ts';
import { cachedFolder, currentSnapshot, hubCacheFolder, nameOfCached } from './hub-names.ts';
import { parseConfig } from './load.ts';

const root = mkdtempSync(join(tmpdir(), 'absent path '));
after(() => rmSync(root, { recursive: true, force: true }));
const here = relative('.', root);
mkdirSync(join(root, 'data', 'photos'), { recursive: true });
writeFileSync(join(root, 'data', 'v1-5.safetensors'), '');

function said(path: string, options: Partial<AbsentOptions> = {}): string {
  const found = explainAbsent(path, {
    key: 'train_data_dir',
    wanted: 'folder',
    hub: undefined,
    platform: 'linux',
    ...options,
  });
  return found === undefined ? 'nothing' : `${found.what} | ${found.fix ?? ''}`;
}

test('quotation marks inside the value, addresses, variables and other homes are told as such', () => {
  assert.match(said('"./pics"'), /quotation marks belong to the value.*train_data_dir: \.\/pics$/);
  assert.match(said('“./pics”'), /quotation marks/);
  assert.match(said('file:///srv/my%20pics'), /found an address.*train_data_dir: \/srv\/my pics$/);
  assert.match(said('https://example.com/a.zip'), /is a web address; expected a path/);
  const environment = { HOME: '/home/mei', DATA: '/srv' };
  assert.match(
    said('$HOME/pics', { environment }),
    /only a shell expands \$HOME.*train_data_dir: \/home\/mei\/pics$/,
  );
  assert.match(said('${DATA}/pics', { environment }), /train_data_dir: \/srv\/pics$/);
  assert.match(said('%USERPROFILE%/pics', { environment }), /train_data_dir: …\/pics$/);
  assert.match(said('~mei/pics'), /only a shell expands ~mei/);
});

test('a path of Windows on Linux, and back slashes', () => {
  assert.match(
    said('C:\\data\\pics'),
    /is a path of Windows, and this is Linux.*\/mnt\/c\/data\/pics/,
  );
  assert.match(said('C:/data/pics', { platform: 'darwin' }), /this is macOS/);
  assert.match(said('\\\\nas\\pics'), /is a path of Windows/);
  assert.match(said('C:\\work\\src\\config'), /here: train_data_dir: \.\/src\/config$/);
  assert.match(said(`${here}\\data\\photos`), /Write paths with \/.*data\/photos$/);
  assert.equal(said('C:\\data\\pics', { platform: 'win32' }), 'nothing');
});

test('a slip of the hand and an ending left out are answered with what is there', () => {
  assert.match(said(`${here}/data/fotos`), /Did you mean train_data_dir: .*data\/photos\?$/);
  assert.match(said(`${here}/data/Photos`), /data\/photos\?$/);
  assert.match(said(`${here}/data/v1-5`), /data\/v1-5\.safetensors\?$/);
  assert.equal(said(`${here}/data/quite-another`), 'nothing');
});

const environment = { HF_HOME: join(root, 'hf') };
function cache(repository: string, ...snapshots: string[]): string {
  const folder = join(root, 'hf', 'hub', repository);
  for (const name of snapshots) mkdirSync(join(folder, 'snapshots', name), { recursive: true });
  return folder;
}

test("Hugging Face's cache: where it is, and the snapshot of a name", () => {
  assert.equal(hubCacheFolder({ HF_HUB_CACHE: '/a', HF_HOME: '/b' }), '/a');
  assert.equal(hubCacheFolder({ HF_HOME: '/b' }), join('/b', 'hub'));
  assert.equal(hubCacheFolder({ XDG_CACHE_HOME: '/c' }), join('/c', 'huggingface', 'hub'));
  const folder = cache('models--acme--tiny', 'aaaa', 'bbbb');
  mkdirSync(join(folder, 'refs'));
  writeFileSync(join(folder, 'refs', 'main'), 'bbbb');
  assert.equal(cachedFolder('acme/tiny', 'models', environment), join(folder, 'snapshots', 'bbbb'));
  assert.equal(cachedFolder('acme/other', 'models', environment), undefined);
  assert.equal(nameOfCached(folder), 'acme/tiny');
  const alone = cache('models--gpt2', 'cccc');
  assert.equal(currentSnapshot(alone), join(alone, 'snapshots', 'cccc'), 'without refs');
  assert.equal(currentSnapshot(cache('models--empty')), undefined);
});

test('a name on a hub: nothing is downloaded, and where it is if it was', (t) => {
  const before = process.env.HF_HOME;
  process.env.HF_HOME = environment.HF_HOME;
  t.after(() => {
    if (before === undefined) delete process.env.HF_HOME;
    else process.env.HF_HOME = before;
  });
  const ofModel = { key: 'base_model', hub: 'models' } as const;
  assert.match(said('acme/tiny', ofModel), /in the cache .*base_model: .*snapshots\/bbbb$/);
  assert.match(said('gpt2', ofModel), /in the cache .*base_model: .*snapshots\/cccc$/);
  assert.match(
    said('Qwen/Qwen2.5-0.5B', ofModel),
    /no such folder.*on Hugging Face is meant: nothing is downloaded here.*hf download Qwen\/Qwen2\.5-0\.5B --local-dir models\/Qwen2\.5-0\.5B/,
  );
  assert.match(
    said('https://huggingface.co/acme/tiny/tree/main', ofModel),
    /is a web address.*snapshots\/bbbb$/,
  );
  assert.match(
    said('tatsu-lab/alpaca', { hub: 'datasets' }),
    /hf download --repo-type dataset tatsu-lab\/alpaca --local-dir data\/alpaca/,
  );
  assert.equal(said('models/other', ofModel), 'nothing', 'a path from another folder');
  assert.match(said('data/alpaca', { hub: 'datasets' }), /^nothing$/, 'a folder that is there');
});

test('a file in place of the folder of pictures, and a folder in place of a file', () => {
  const folder = join(root, 'kinds');
  mkdirSync(join(folder, 'questions'), { recursive: true });
  const files = {
    'a.zip': 'PK\x03\x04',
    'a.tar': '10_lamp/'.padEnd(257, '\0') + 'ustar\x0000',
    'a.png': '\x89PNG',
    photo: '\xff\xd8\xff',
    'metadata.csv': 'filename,prompt\n',
    'faq.jsonl': '{}',
    'questions/eval.yaml': '',
  };
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(folder, name), content, 'latin1');
  symlinkSync('a.png', join(folder, 'link.png'));
  const problem = (values: object): string => {
    try {
      parseConfig({ train_data_dir: folder, base_model: 'src', output_dir: './output', ...values });
    } catch (error) {
      return String(error);
    }
    return 'nothing';
  };
  const dir = (name: string) => problem({ train_data_dir: join(folder, name) });
  assert.match(dir('a.zip'), /is a zip archive; expected a folder\n *Unpack it \(unzip\)/);
  assert.match(dir('a.tar'), /is a tar archive/);
  for (const name of ['a.png', 'photo', 'link.png'])
    assert.match(dir(name), /is one picture; expected a folder\n.*train_data_dir: .*kinds$/m, name);
  assert.match(dir('metadata.csv'), /is a table of captions.*\n.*train_data_dir: .*kinds;/);
  assert.match(dir('faq.jsonl'), /task_type: text-generation/);
  assert.match(
    problem({ metadata_path: folder }),
    /is a folder; expected a file\n.*metadata_path: .*metadata\.csv$/m,
  );
  assert.match(
    problem({ metadata_path: join(folder, 'questions') }),
    /and there is no \.csv file in it/,
  );
  const texts = { task_type: 'text-generation', max_seq_length: 64 };
  assert.match(
    problem({ ...texts, eval_path: join(folder, 'questions') }),
    /eval_path: .*questions\/eval\.yaml/,
  );
});
