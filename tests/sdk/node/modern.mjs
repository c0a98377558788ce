// npm centrifuge 3.1.2 or 5.8.0, whose folder is the first argument: today's protocol in JSON, or in
// Protobuf where the second argument says so, over WebSocket or the transports that the third one
// names (`nowhere` is a WebSocket that does not get through; SockJS goes by those of its own that the
// fourth one names). Payloads are JSON values to the tests in both.
import { EventSource } from 'eventsource-3';
import SockJS from 'sockjs-client-1.1';
import WebSocket from 'ws-8';

import { ask, drive, tell } from './driver.mjs';

const [folder, encoding = 'json', ways = 'websocket', sockjsWays] = process.argv.slice(2);
const binary = encoding === 'protobuf';
const transports = ways.split(',');
const protobufModules = {
  'centrifuge-3.1': 'centrifuge-3.1/build/protobuf/index.js', 'centrifuge-5.8': 'centrifuge-5.8/build/protobuf',
};
const library = await import(binary ? protobufModules[folder] : folder);
// Version 3 has the class for Protobuf as the default of a CommonJS module.
const Centrifuge = library.Centrifuge ?? library.default.default;

const payload = (value) => (binary && value !== null ? new TextEncoder().encode(JSON.stringify(value)) : value);
function valueOf(data) {
  if (!binary) return data ?? null;
  // Bytes that are not there are an empty array in version 3.
  return data?.length ? JSON.parse(new TextDecoder().decode(data)) : null;
}

const clients = new Map();

const personOf = (info) => info && {
  user: info.user, id: info.client, conn_info: valueOf(info.connInfo), chan_info: valueOf(info.chanInfo),
};
// A 64-bit number of Protobuf is an object in version 3.
const publicationOf = (ctx) => ({
  data: valueOf(ctx.data), offset: Number(ctx.offset ?? 0), info: personOf(ctx.info) ?? null, tags: ctx.tags ?? null,
});
const errorOf = (ctx) => ({ type: ctx.type, code: ctx.error.code, message: ctx.error.message });
const subscribedOf = (ctx) => ({
  was_recovering: ctx.wasRecovering, recovered: ctx.recovered, recoverable: ctx.recoverable,
  positioned: ctx.positioned, data: valueOf(ctx.data),
});

async function fetchToken(client, what, detail) {
  const token = await ask(client, what, detail);
  // Before version 4 an empty token says that there is none to be had.
  if (token === null && library.UnauthorizedError) throw new library.UnauthorizedError('refused');
  return token ?? '';
}

/** The address of another endpoint of the server whose WebSocket is at `url`. */
const beside = (url, path) => new URL(path, url.replace('ws://', 'http://')).toString();

function endpointOf(name, url) {
  if (name === 'websocket') return { transport: name, endpoint: url };
  if (name === 'nowhere') return { transport: 'websocket', endpoint: `${url}/nowhere` };
  return { transport: name, endpoint: beside(url, `/connection/${name}`) };
}

function open({ client, url, token, data, delay }) {
  const centrifuge = new Centrifuge(transports.map((name) => endpointOf(name, url)), {
    // Version 3 wants to be told, also by its class for Protobuf.
    ...(folder === 'centrifuge-3.1' && { protocol: encoding }),
    websocket: WebSocket,
    eventsource: EventSource,
    sockjs: SockJS,
    sockjsOptions: { transports: sockjsWays?.split(',') },
    // In Node, sockjs-client does not notice that an answer breaks off; a missing ping tells.
    maxServerPingDelay: transports.includes('sockjs') ? 500 : 10000,
    emulationEndpoint: beside(url, '/emulation'),
    token: token ?? '',
    getToken: () => fetchToken(client, 'token', {}),
    data: payload(data ?? null),
    minReconnectDelay: delay,
    maxReconnectDelay: delay * 4,
  });
  centrifuge.on('connecting', (ctx) => tell(client, 'connecting', { code: ctx.code, reason: ctx.reason }));
  centrifuge.on('connected', (ctx) => tell(client, 'connected', { id: ctx.client, data: valueOf(ctx.data) }));
  centrifuge.on('disconnected', (ctx) => tell(client, 'disconnected', { code: ctx.code, reason: ctx.reason }));
  centrifuge.on('error', (ctx) => tell(client, 'error', errorOf(ctx)));
  centrifuge.on('message', (ctx) => tell(client, 'message', { data: valueOf(ctx.data) }));
  for (const event of ['subscribing', 'unsubscribed']) {
    centrifuge.on(event, (ctx) => tell(client, `server_${event}`, { channel: ctx.channel }));
  }
  centrifuge.on('subscribed', (ctx) => {
    tell(client, 'server_subscribed', { channel: ctx.channel, ...subscribedOf(ctx) });
  });
  centrifuge.on('publication', (ctx) => {
    tell(client, 'server_publication', { channel: ctx.channel, ...publicationOf(ctx) });
  });
  for (const event of ['join', 'leave']) {
    centrifuge.on(event, (ctx) => {
      tell(client, `server_${event}`, { channel: ctx.channel, ...personOf(ctx.info) });
    });
  }
  clients.set(client, centrifuge);
  centrifuge.connect();
}

function subscribe({ client, channel, options, ask_token: askToken }) {
  const { tags_filter: tagsFilter, ...others } = options;
  const settings = { joinLeave: true, ...others, minResubscribeDelay: 50, maxResubscribeDelay: 200 };
  if (tagsFilter) settings.tagsFilter = tagsFilter;
  if (askToken) settings.getToken = () => fetchToken(client, 'subscription_token', { channel });
  const subscription = clients.get(client).newSubscription(channel, settings);
  const on = (event, detail) => {
    subscription.on(event, (ctx) => tell(client, event, { channel, ...detail(ctx) }));
  };
  on('subscribing', (ctx) => ({ code: ctx.code, reason: ctx.reason }));
  on('subscribed', subscribedOf);
  on('unsubscribed', (ctx) => ({ code: ctx.code, reason: ctx.reason }));
  on('publication', publicationOf);
  on('join', (ctx) => personOf(ctx.info));
  on('leave', (ctx) => personOf(ctx.info));
  subscription.on('error', (ctx) => tell(client, 'subscription_error', { channel, ...errorOf(ctx) }));
  subscription.subscribe();
}

drive({
  open,
  subscribe,
  publish: async ({ client, channel, data }) => {
    await clients.get(client).publish(channel, payload(data));
  },
  presence: async ({ client, channel }) => {
    const { clients: present } = await clients.get(client).presence(channel);
    return Object.values(present).map(personOf);
  },
  presence_stats: async ({ client, channel }) => {
    const stats = await clients.get(client).presenceStats(channel);
    return { clients: stats.numClients, users: stats.numUsers };
  },
  history: async ({ client, channel, limit }) => {
    const { publications, offset } = await clients.get(client).history(channel, { limit });
    return { offset, publications: publications.map(publicationOf) };
  },
  delta_stats: ({ client, channel }) => {
    const stats = clients.get(client).getSubscription(channel).deltaStats();
    return { full: stats.numFullPayloads, delta: stats.numDeltaPayloads };
  },
  unsubscribe: ({ client, channel }) => {
    const subscription = clients.get(client).getSubscription(channel);
    subscription.unsubscribe();
    clients.get(client).removeSubscription(subscription);
  },
  close: ({ client }) => clients.get(client).disconnect(),
});
