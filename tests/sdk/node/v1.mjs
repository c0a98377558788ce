// npm centrifuge 2.4.0 or 2.8.5, whose folder is the first argument: the protocol of the v2 and v3
// servers over WebSocket, in JSON, or in Protobuf where the second argument says so; or in JSON over
// SockJS where the third one names its transports. Payloads are JSON values to the tests in both.
import SockJS from 'sockjs-client-1.1';
import WebSocket from 'ws-7';

import { ask, drive, tell } from './driver.mjs';

const [folder, encoding, sockjsWays] = process.argv.slice(2);
const binary = encoding === 'protobuf';
const sockjsTransports = sockjsWays?.split(',');
const { default: Centrifuge } = await import(binary ? `${folder}/dist/centrifuge.protobuf.js` : folder);

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

// Version 2.4 has presence and history only here.
const subscriptionOf = ({ client, channel }) => subscriptions.get(`${client} ${channel}`);

drive({
  open,
  subscribe,
  publish: async ({ client, channel, data }) => {
    // Version 2.4 rejects with the error and a function.
    await clients.get(client).publish(channel, payload(data)).catch((refusal) => {
      throw refusal.error ?? refusal;
    });
  },
  presence: async (command) => {
    const { presence } = await subscriptionOf(command).presence();
    return Object.values(presence).map(personOf);
  },
  presence_stats: async (command) => {
    const stats = await subscriptionOf(command).presenceStats();
    return { clients: stats.num_clients, users: stats.num_users };
  },
  history: async (command) => {
    const { publications, offset } = await subscriptionOf(command).history({ limit: command.limit });
    return { offset: Number(offset ?? 0), publications: publications.map(publicationOf) };
  },
  unsubscribe: (command) => subscriptionOf(command).unsubscribe(),
  close: ({ client }) => clients.get(client).disconnect(),
});
