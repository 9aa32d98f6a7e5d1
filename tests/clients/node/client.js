// Asks a running decision point from Node: Check, CheckBatch, CheckStream, Explain, Watch, health and reflection.
//
//   node client.js 127.0.0.1:50051 < questions.json
//
// The questions are an object of a CheckRequest `check`, a CheckBatchRequest `batch`, a list `stream` of CheckRequests,
// of which one may be the bytes of a message instead, in hexadecimal, and a WatchRequest `watch`. The answers are printed
// as JSON.
//
// When the first event of `watch` has come, a line "watching" is printed on standard error: what changes from there on is
// in the second event.
// A token goes over a plain connection: ask on the same machine.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');

const SERVICE = 'pdp.v1.DecisionService';
const DEFINITIONS = path.join(__dirname, '..', '..', '..', 'proto', 'pdp', 'v1', 'decision.proto');

// 64-bit numbers as text, since a number of JavaScript does not hold them all; enums by name; unset fields left out.
const FORM = { keepCase: true, longs: String, enums: String, defaults: false, arrays: true, oneofs: false };
const DEADLINE_SECONDS = 30;

function connect(service, address) {
  return new service(address, grpc.credentials.createInsecure());
}

function load(file) {
  return grpc.loadPackageDefinition(protoLoader.loadSync(file, FORM));
}

function deadline() {
  return { deadline: Date.now() + DEADLINE_SECONDS * 1000 };
}

function ask(client, method, message) {
  return new Promise((resolve, reject) => {
    client[method](message, deadline(), (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

// The answers to all messages of one stream, which is ended after the last.
function askAll(call, messages) {
  return new Promise((resolve, reject) => {
    const answers = [];
    call.on('data', (answer) => answers.push(answer));
    call.on('error', reject);
    call.on('end', () => resolve(answers));
    messages.forEach((message) => call.write(message));
    call.end();
  });
}

// The first two events of a stream, and the first of another one that goes on from the place of the first.
async function watch(client, request) {
  const events = [];
  const call = client.Watch(request, deadline());
  for await (const event of call) {
    events.push(event);
    if (events.length === 2) {
      break;
    }
    process.stderr.write('watching\n');
  }
  call.on('error', () => {}); // it is cancelled
  call.cancel();
  const again = client.Watch({ ...request, after: events[0].place }, deadline());
  for await (const event of again) {
    events.push(event);
    break;
  }
  again.on('error', () => {});
  again.cancel();
  return events;
}

// A client of the service whose messages may be bytes, which are sent as they are.
function rawService(service) {
  const method = service.service.CheckStream;
  const requestSerialize = (message) => (Buffer.isBuffer(message) ? message : method.requestSerialize(message));
  return grpc.makeClientConstructor({ CheckStream: { ...method, requestSerialize } }, SERVICE);
}

// A serialized FileDescriptorSet: its files, each as field 1.
function descriptorSet(files) {
  const parts = [];
  for (const file of files) {
    const head = [0x0a];
    let size = file.length;
    for (; size > 0x7f; size >>>= 7) {
      head.push((size & 0x7f) | 0x80);
    }
    parts.push(Buffer.from([...head, size]), file);
  }
  return Buffer.concat(parts);
}

// What the server says of itself: the names of its services, and the decision service as it describes it.
async function reflect(address) {
  const { ServerReflection } = load(path.join(__dirname, 'reflection.proto')).grpc.reflection.v1alpha;
  const client = connect(ServerReflection, address);
  const requests = [{ list_services: '' }, { file_containing_symbol: SERVICE }];
  const [listed, described] = await askAll(client.ServerReflectionInfo(deadline()), requests);
  client.close();
  const files = described.file_descriptor_response.file_descriptor_proto;
  const definition = protoLoader.loadFileDescriptorSetFromBuffer(descriptorSet(files), FORM);
  return {
    services: listed.list_services_response.service.map((service) => service.name),
    DecisionService: grpc.loadPackageDefinition(definition).pdp.v1.DecisionService,
  };
}

async function main(address, questions) {
  const { DecisionService } = load(DEFINITIONS).pdp.v1;
  const { Health } = load(path.join(__dirname, 'health.proto')).grpc.health.v1;
  const decisions = connect(DecisionService, address);
  const streams = connect(rawService(DecisionService), address);
  const health = connect(Health, address);
  const reflected = await reflect(address);
  const reflectedClient = connect(reflected.DecisionService, address);
  // Read from a descriptor, a map is a list of entries to this library: the question leaves its context out.
  const { context, ...plain } = questions.check;
  const messages = questions.stream.map((item) => (typeof item === 'string' ? Buffer.from(item, 'hex') : item));
  const answers = {
    check: await ask(decisions, 'Check', questions.check),
    batch: (await ask(decisions, 'CheckBatch', questions.batch)).results,
    stream: await askAll(streams.CheckStream(deadline()), messages),
    explain: await ask(decisions, 'Explain', questions.check),
    watch: await watch(decisions, questions.watch),
    health: (await ask(health, 'Check', { service: SERVICE })).status,
    services: reflected.services,
    methods: Object.keys(reflected.DecisionService.service),
    check_by_reflection: await ask(reflectedClient, 'Check', plain),
  };
  [decisions, streams, health, reflectedClient].forEach((client) => client.close());
  return answers;
}

main(process.argv[2], JSON.parse(fs.readFileSync(0, 'utf8'))).then(
  (answers) => process.stdout.write(`${JSON.stringify(answers, null, 2)}\n`),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exitCode = 1;
  },
);
