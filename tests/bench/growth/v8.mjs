// A host for the built module that does for one request what Envoy does, and takes the time. `growth` runs it:
//
//   node --no-liftoff v8.mjs MODULE <cases
//
// A case is a line of JSON: a configuration, a path, the form of a POST, and for how long to ask again. So is an answer:
// nanoseconds of each sample, bytes of the module's memory, what became of the request. --no-liftoff: Envoy's V8 compiles with
// its optimizing compiler at once, and so must this one.
import { readFileSync } from "node:fs";

const OK = 0, NOT_FOUND = 1;
const REQUEST_BODY = 0, PLUGIN_CONFIGURATION = 7;
const ROOT = 1;

const module = await WebAssembly.compile(readFileSync(process.argv[2]));

/** One VM with one plugin, as a worker of Envoy has it. */
class Host {
  constructor(configuration) {
    this.configuration = Buffer.from(configuration);
    const env = {}, wasi = {};
    for (const { module: from, name } of WebAssembly.Module.imports(module)) {
      // What a request does not need succeeds without doing anything.
      (from === "env" ? env : wasi)[name] = this[name]?.bind(this) ?? (() => OK);
    }
    this.exports = new WebAssembly.Instance(module, { env, wasi_snapshot_preview1: wasi }).exports;
    this.exports._initialize();
    this.exports.proxy_on_context_create(ROOT, 0);
    this.exports.proxy_on_vm_start(ROOT, 0);
    if (!this.exports.proxy_on_configure(ROOT, this.configuration.length)) throw new Error(`refused: ${configuration}`);
    this.next = ROOT + 1;
  }

  /** What every request from now on is. */
  prepare(path, form) {
    this.body = Buffer.from(form);
    this.headers = pairs([
      [":method", "POST"], [":path", path], [":authority", "bench"], ["content-type", "application/x-www-form-urlencoded"],
      ["content-length", String(this.body.length)],
    ]);
  }

  /** One POST from its head to its end. */
  request() {
    const { exports } = this;
    const context = this.next++;
    this.outcome = 0;
    exports.proxy_on_context_create(context, ROOT);
    exports.proxy_on_request_headers(context, 5, 0);
    if (this.outcome === 0) exports.proxy_on_request_body(context, this.body.length, 1);
    exports.proxy_on_done(context);
    exports.proxy_on_delete(context);
  }

  /** Gives bytes to the module, in memory that it allocates. */
  give(bytes, data, size) {
    const at = this.exports.proxy_on_memory_allocate(bytes.length);
    new Uint8Array(this.exports.memory.buffer).set(bytes, at);
    const words = new DataView(this.exports.memory.buffer);
    words.setUint32(data, at, true);
    words.setUint32(size, bytes.length, true);
    return OK;
  }

  // --- what the module calls ---

  proxy_get_header_map_pairs(_map, data, size) {
    return this.give(this.headers, data, size);
  }

  proxy_get_buffer_bytes(buffer, start, max, data, size) {
    const bytes = buffer === REQUEST_BODY ? this.body : buffer === PLUGIN_CONFIGURATION ? this.configuration : undefined;
    return bytes ? this.give(bytes.subarray(start, start + max), data, size) : NOT_FOUND;
  }

  proxy_set_buffer_bytes(_buffer, _start, _size, data, length) {
    this.written = Buffer.from(new Uint8Array(this.exports.memory.buffer, data, length));
    this.outcome = 200;
    return OK;
  }

  proxy_send_local_response(status) {
    this.outcome = status;
    return OK;
  }

  proxy_get_property() {
    return NOT_FOUND;
  }

  proxy_get_log_level(level) {
    new DataView(this.exports.memory.buffer).setUint32(level, 2, true);
    return OK;
  }

  proxy_get_current_time_nanoseconds(time) {
    new DataView(this.exports.memory.buffer).setBigUint64(time, 1n, true);
    return OK;
  }

  proxy_log(level, text, length) {
    if (level >= 4) process.stderr.write(Buffer.from(this.exports.memory.buffer, text, length) + "\n");
    return OK;
  }

  proc_exit(code) {
    throw new Error(`the module ended with ${code}`);
  }
}

/** The ABI's list of pairs. */
function pairs(list) {
  const texts = list.flat().map((text) => Buffer.from(text));
  const lengths = Buffer.alloc(4 + 4 * texts.length);
  lengths.writeUInt32LE(list.length);
  texts.forEach((text, place) => lengths.writeUInt32LE(text.length, 4 + 4 * place));
  return Buffer.concat([lengths, ...texts.flatMap((text) => [text, Buffer.from([0])])]);
}

function measure({ configuration, path, form, samples, sample_ns }) {
  const host = new Host(configuration);
  const memory = () => host.exports.memory.buffer.byteLength;
  host.prepare(path, form);
  const time = (count) => {
    const start = process.hrtime.bigint();
    for (let done = 0; done < count; done += 1) host.request();
    return Number(process.hrtime.bigint() - start) / count;
  };
  // The host's own code warms up as well.
  for (let taken = 0, asked = 0; taken < samples * sample_ns || asked < 10; asked += 1) taken += time(1);
  const warm = memory();
  const count = Math.max(1, Math.ceil(sample_ns / time(3)));
  const taken = Array.from({ length: samples }, () => time(count));
  return {
    status: host.outcome, written: host.outcome === 200 ? host.written.length : 0, ns: taken,
    memory: { warm, after: memory() },
  };
}

for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  process.stdout.write(JSON.stringify(measure(JSON.parse(line))) + "\n");
}
