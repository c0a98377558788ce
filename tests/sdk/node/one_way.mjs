// One-way clients without a library: EventSource (npm eventsource, as browsers have it) and fetch.
import { EventSource } from 'eventsource-3';

import { drive, tell } from './driver.mjs';

const sources = new Map();

function events({ client, url }) {
  const source = new EventSource(url);
  source.onopen = () => tell(client, 'open');
  source.onerror = () => tell(client, 'error');
  source.onmessage = (event) => {
    tell(client, 'event', { id: event.lastEventId, push: JSON.parse(event.data) });
  };
  sources.set(client, source);
}

async function lines({ client, url, body }) {
  const answer = await fetch(url, { method: 'POST', body });
  (async () => {
    let rest = '';
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      const found = (rest + chunk).split('\n');
      rest = found.pop();
      found.forEach((line) => tell(client, 'event', { push: JSON.parse(line) }));
    }
    tell(client, 'end');
  })();
  return answer.status;
}

drive({ events, lines, close: ({ client }) => sources.get(client).close() });
