// npm centrifuge 1.5.0: the protocol of 2018 over a raw WebSocket, or over SockJS where its transports
// are named on the command line.
import Centrifuge from 'centrifuge-1.5';
import SockJS from 'sockjs-client-1.1';
import WebSocket from 'ws-7';

import { ask, drive, tell } from './driver.mjs';

const transports = process.argv.slice(3);
// In Node, sockjs-client does not notice that an answer breaks off; a ping that fails tells.
const sockJS = transports.length ? { sockJS: SockJS, transports, pingInterval: 1000 } : {};

// The library looks for what a browser has.
global.WebSocket = WebSocket;

/** The address of SockJS around the WebSocket at `url`. */
const sockjsAround = (url) => url.replace(/^ws(.*)\/websocket$/, 'http$1');

const clients = new Map();
const subscriptions = new Map();

const personOf = (info) => info && {
  user: info.user, id: info.client,
  conn_info: info.default_info ?? null, chan_info: info.channel_info ?? null,
};
const publicationOf = (body) => ({ data: body.data, uid: body.uid, info: personOf(body.info) ?? null });

function answerWith(promise, callback) {
  promise.then(
    (value) => (value === null ? callback(true, 'refused') : callback(false, value)),
    (error) => callback(true, error.message),
  );
}

function open({ client, url, credentials, delay }) {
  const centrifuge = new Centrifuge({
    url: transports.length ? sockjsAround(url) : url,
    ...credentials,
    ...sockJS,
    retry: delay,
    maxRetry: delay * 4,
    onRefresh: (_context, callback) => answerWith(ask(client, 'token'), callback),
    onPrivateChannelAuth: ({ data }, callback) => {
      answerWith(ask(client, 'signs', { id: data.client, channels: data.channels }), callback);
    },
    // "disconnect" is told once; what ends a later attempt is told here only.
    onTransportClose: ({ event, reason, reconnect }) => {
      tell(client, 'transport_closed', { code: event.code, reason, reconnect });
    },
  });
  centrifuge.on('connect', (ctx) => tell(client, 'connected', { id: ctx.client, transport: ctx.transport }));
  centrifuge.on('disconnect', ({ reason, reconnect }) => {
    tell(client, reconnect ? 'connecting' : 'disconnected', { reason });
  });
  centrifuge.on('error', ({ message }) => {
    tell(client, 'error', { message: message.error, advice: message.advice, method: message.method });
  });
  clients.set(client, centrifuge);
  centrifuge.connect();
}

function subscribe({ client, channel }) {
  const subscription = clients.get(client).subscribe(channel, {
    message: (body) => tell(client, 'publication', { channel, ...publicationOf(body) }),
    join: (body) => tell(client, 'join', { channel, ...personOf(body.data) }),
    leave: (body) => tell(client, 'leave', { channel, ...personOf(body.data) }),
    subscribe: (ctx) => {
      tell(client, 'subscribed', { channel, was_recovering: ctx.isResubscribe, recovered: ctx.recovered });
    },
    unsubscribe: () => tell(client, 'unsubscribed', { channel }),
    error: (ctx) => tell(client, 'subscription_error', { channel, message: ctx.error, advice: ctx.advice }),
  });
  subscriptions.set(`${client} ${channel}`, subscription);
}

const subscriptionOf = ({ client, channel }) => subscriptions.get(`${client} ${channel}`);

drive({
  open,
  subscribe,
  publish: async (command) => {
    const { status } = await subscriptionOf(command).publish(command.data);
    return status;
  },
  presence: async (command) => {
    const { data } = await subscriptionOf(command).presence();
    return Object.values(data).map(personOf);
  },
  history: async (command) => {
    const { data } = await subscriptionOf(command).history();
    return { publications: data.map(publicationOf) };
  },
  // Several commands in one frame, answered by one array.
  publish_together: (command) => {
    const centrifuge = clients.get(command.client);
    centrifuge.startBatching();
    const published = command.values.map((data) => subscriptionOf(command).publish(data));
    // The library queues a publish behind a promise of its own.
    setImmediate(() => centrifuge.stopBatching(true));
    return Promise.all(published).then((bodies) => bodies.map(({ status }) => status));
  },
  unsubscribe: (command) => subscriptionOf(command).unsubscribe(),
  close: ({ client }) => clients.get(client).disconnect(),
});
