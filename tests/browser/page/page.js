// What a page does with girandola, one function a kind of client. Everything that happens is told
// to the test: connected, subscribed, publication, broken (the connection, or an attempt at one) and
// disconnected (the server said so). `tell` is the test's; it takes a text.
'use strict';

const note = (event, detail = {}) => tell(JSON.stringify({ ...detail, event, client: 'page' }));

/** Publish from the page, where the way it connects has that. Set when it opens. */
let publish;

// ── the libraries ────────────────────────────────────────────────────────────────────────────

/** Payloads of the Protobuf build are bytes. */
const fromBytes = (data) => JSON.parse(new TextDecoder().decode(data));
const toBytes = (data) => new TextEncoder().encode(JSON.stringify(data));
const isBinary = () => document.querySelector('script[src*="protobuf"]') !== null;

/** Today's centrifuge, over WebSocket or the transport named. */
function openModern(host, path, { channel, token, transport }) {
  const [read, write] = isBinary() ? [fromBytes, toBytes] : [(data) => data, (data) => data];
  const endpoints = [{ transport, endpoint: `http://${host}${path}` }];
  const client = new Centrifuge(transport ? endpoints : `ws://${host}${path}`, {
    token,
    minReconnectDelay: 50,
    maxReconnectDelay: 200,
    emulationEndpoint: `http://${host}/emulation`,
    sockjs: window.SockJS,
  });
  client.on('connecting', ({ code, reason }) => {
    if (code !== 0) note('broken', { reason });
  });
  client.on('connected', ({ transport }) => note('connected', { transport }));
  client.on('disconnected', ({ code, reason }) => note('disconnected', { code, reason }));
  client.on('error', ({ error }) => note('broken', { reason: error.message }));
  const subscription = client.newSubscription(channel);
  subscription.on('subscribed', ({ recovered, wasRecovering }) => {
    note('subscribed', { recovered, wasRecovering });
  });
  subscription.on('publication', ({ data }) => note('publication', { data: read(data) }));
  publish = (data) => subscription.publish(write(data)).then(() => null);
  subscription.subscribe();
  client.connect();
}

/** The centrifuge for the v2 and v3 servers, over WebSocket or the transport of SockJS named. */
function openV1(host, path, { channel, token, transport }) {
  const [read, write] = isBinary() ? [fromBytes, toBytes] : [(data) => data, (data) => data];
  const client = new Centrifuge(transport ? `http://${host}${path}` : `ws://${host}${path}`, {
    protocol: isBinary() ? 'protobuf' : '',
    sockjs: window.SockJS ?? null,
    sockjsTransports: [transport],
    minRetry: 50,
    maxRetry: 200,
    onTransportClose: ({ reason }) => note('broken', { reason }),
  });
  client.setToken(token);
  client.on('connect', ({ transport }) => note('connected', { transport }));
  client.on('disconnect', ({ reason, reconnect }) => {
    if (!reconnect) note('disconnected', { reason });
  });
  const subscription = client.subscribe(channel, {
    publish: ({ data }) => note('publication', { data: read(data) }),
    subscribe: ({ recovered, isResubscribe }) => {
      note('subscribed', { recovered, wasRecovering: isResubscribe });
    },
  });
  publish = (data) => subscription.publish(write(data)).then(() => null);
  client.connect();
}

/** The centrifuge of 2018, over WebSocket or the transport of SockJS named. */
function openClassic(host, path, { channel, transport, ...credentials }) {
  const client = new Centrifuge({
    url: transport ? `http://${host}${path}` : `ws://${host}${path}`,
    sockJS: window.SockJS ?? null,
    transports: [transport],
    // SockJS tells nothing of a broken connection in an iframe; a ping that fails does.
    pingInterval: 2500,
    pongWaitTimeout: 2000,
    ...credentials,
    retry: 50,
    maxRetry: 200,
    onTransportClose: ({ reason }) => note('broken', { reason }),
  });
  client.on('connect', ({ transport }) => note('connected', { transport }));
  client.on('disconnect', ({ reason, reconnect }) => {
    if (!reconnect) note('disconnected', { reason });
  });
  const subscription = client.subscribe(channel, {
    message: ({ data }) => note('publication', { data }),
    subscribe: ({ recovered, isResubscribe }) => {
      note('subscribed', { recovered, wasRecovering: isResubscribe });
    },
  });
  publish = (data) => subscription.publish(data).then(() => null);
  client.connect();
}

// ── without a library ────────────────────────────────────────────────────────────────────────

/** Where the page stands in each channel; what a one-way client asks to go on from. */
const positions = {};

/** Take one push of a one-way connection. */
function receive(push) {
  if (push.connect) {
    note('connected');
    for (const [channel, subscribed] of Object.entries(push.connect.subs ?? {})) {
      receiveSubscribed(channel, subscribed);
    }
  } else if (push.pub) {
    receivePublication(push.channel, push.pub);
  } else if (push.disconnect) {
    note('disconnected', push.disconnect);
  }
}

function receiveSubscribed(channel, subscribed) {
  note('subscribed', {
    recovered: subscribed.recovered ?? false,
    wasRecovering: subscribed.was_recovering ?? false,
  });
  positions[channel] = { recover: true, offset: subscribed.offset ?? 0, epoch: subscribed.epoch };
  for (const publication of subscribed.publications ?? []) receivePublication(channel, publication);
}

function receivePublication(channel, { data, offset }) {
  positions[channel].offset = offset;
  note('publication', { data });
}

/** A plain EventSource. It comes back by itself, and the server knows where it stood. */
function openEventSource(host, path, { channel, token }) {
  const request = encodeURIComponent(JSON.stringify({ token, subs: { [channel]: {} } }));
  const source = new EventSource(`http://${host}${path}?cf_connect=${request}`);
  source.onmessage = ({ data }) => receive(JSON.parse(data));
  source.onerror = () => note('broken');
}

/** A plain fetch, whose answer is read line by line. It comes back when that breaks. */
function openFetch(host, path, { channel, token }) {
  positions[channel] = {};
  fetchForEver(`http://${host}${path}`, token);
}

async function fetchForEver(url, token) {
  for (;;) {
    try {
      await readLines(await fetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ token, subs: positions }),
      }));
    } catch (error) {
      note('broken', { reason: String(error) });
    }
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

async function readLines({ body }) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) receive(JSON.parse(line));
  }
}
