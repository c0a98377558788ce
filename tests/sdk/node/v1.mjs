// npm centrifuge 2.8.5: the protocol of the v2 and v3 servers over WebSocket, in JSON, or in Protobuf
// where the first argument says so; or in JSON over SockJS where the second one names its transports.
// Payloads are JSON values to the tests in both.
import SockJS from 'sockjs-client-1.1';
import WebSocket from 'ws-7';

import { ask, drive, tell } from './driver.mjs';

const binary = process.argv[2] === 'protobuf';
const sockjsTransports = process.argv[3]?.split(',');
const { default: Centrifuge } = await import(
  binary ? 'centrifuge-2.8/dist/centrifuge.protobuf.js' : 'centrifuge-2.8'
);

const payload = (value) => (binary ? new TextEncoder().encode(JSON.stringify(value)) : value);
function valueOf(data) {
  if (!binary) return data ?? null;
  // Bytes that are not there are an empty array.
  return data?.length ? JSON.parse(new TextDecoder().decode(data)) : null;
}

/** The address of SockJS beside the WebSocket at `url`. */
const sockjsBeside = (url) => url.replace(/^ws(.*)\/websocket$/, 'http$1/sockjs');

const clients = new Map();
const subscriptions = new Map();

const personOf = (info) => info && {
  user: info.user, id: info.client, conn_info: valueOf(info.conn_info), chan_info: valueOf(info.chan_info),
};
// A 64-bit number of Protobuf is an object.
const publicationOf = (body) => ({
  data: valueOf(body.data), offset: Number(body.offset ?? 0), info: personOf(body.info) ?? null,
});
const subscribedOf = (ctx) => ({
  was_recovering: ctx.isResubscribe, recovered: ctx.recovered,
  positioned: Boolean(ctx.streamPosition), data: valueOf(ctx.data),
});

function open({ client, url, options, token, delay }) {
  const centrifuge = new Centrifuge(sockjsTransports ? sockjsBeside(url) : url, {
    ...options,
    ...(sockjsTransports && { sockjs: SockJS, sockjsTransports }),
    websocket: WebSocket,
    minRetry: delay,
    maxRetry: delay * 4,
    // A server that leaves a ping unanswered loses the client within a scenario.
    pingInterval: 300,
    pongWaitTimeout: 4000,
    onRefresh: (_context, callback) => {
      ask(client, 'token').then((value) => callback({ status: 200, data: { token: value } }));
    },
    onPrivateSubscribe: ({ data }, callback) => {
      ask(client, 'subscription_tokens', { id: data.client, channels: data.channels }).then(
        (channels) => callback({ status: 200, data: { channels } }),
      );
    },
    // "disconnect" knows no code, and is told once for all attempts.
    onTransportClose: ({ event, reason, reconnect }) => {
      tell(client, 'transport_closed', { code: event.code, reason, reconnect });
    },
  });
  centrifuge.setToken(token);
  centrifuge.on('connect', (ctx) => tell(client, 'connected', { id: ctx.client, data: valueOf(ctx.data) }));
  centrifuge.on('disconnect', ({ reason, reconnect }) => {
    tell(client, reconnect ? 'connecting' : 'disconnected', { reason });
  });
  centrifuge.on('subscribe', (ctx) => {
    tell(client, 'server_subscribed', { channel: ctx.channel, ...subscribedOf(ctx) });
  });
  centrifuge.on('unsubscribe', (ctx) => tell(client, 'server_unsubscribed', { channel: ctx.channel }));
  centrifuge.on('publish', (ctx) => {
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

function subscribe({ client, channel }) {
  const subscription = clients.get(client).subscribe(channel, {
    publish: (ctx) => tell(client, 'publication', { channel, ...publicationOf(ctx) }),
    join: (ctx) => tell(client, 'join', { channel, ...personOf(ctx.info) }),
    leave: (ctx) => tell(client, 'leave', { channel, ...personOf(ctx.info) }),
    subscribe: (ctx) => tell(client, 'subscribed', { channel, ...subscribedOf(ctx) }),
    unsubscribe: () => tell(client, 'unsubscribed', { channel }),
    error: (ctx) => tell(client, 'subscription_error', { channel, code: ctx.code, message: ctx.message }),
  });
  subscriptions.set(`${client} ${channel}`, subscription);
}

drive({
  open,
  subscribe,
  publish: async ({ client, channel, data }) => {
    await clients.get(client).publish(channel, payload(data));
  },
  presence: async ({ client, channel }) => {
    const { presence } = await clients.get(client).presence(channel);
    return Object.values(presence).map(personOf);
  },
  presence_stats: async ({ client, channel }) => {
    const stats = await clients.get(client).presenceStats(channel);
    return { clients: stats.num_clients, users: stats.num_users };
  },
  history: async ({ client, channel, limit }) => {
    const { publications, offset } = await clients.get(client).history(channel, { limit });
    return { offset: Number(offset), publications: publications.map(publicationOf) };
  },
  unsubscribe: ({ client, channel }) => subscriptions.get(`${client} ${channel}`).unsubscribe(),
  close: ({ client }) => clients.get(client).disconnect(),
});
