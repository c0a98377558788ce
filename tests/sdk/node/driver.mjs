// Lets a test drive a client library: JSON lines in (commands, answers), JSON lines out (replies,
// events, questions). Knows no library; modern.mjs and classic.mjs do.
//
//   in:  {"id": 1, "do": "subscribe", "client": "a", …}    {"answer": 7, "value": …} or {…, "error": "…"}
//   out: {"reply": 1, "result": …} or {"reply": 1, "error": {"code": …, "message": "…"}}
//        {"event": "publication", "client": "a", …}        {"ask": 7, "what": "token", "client": "a", …}
import readline from 'node:readline';

const questions = new Map();

function write(message) {
  process.stdout.write(JSON.stringify(message) + '\n');
}

/** Tell the test that something happened to a client. */
export function tell(client, event, detail = {}) {
  write({ ...detail, event, client });
}

/** Ask the test, which plays the application's backend; resolves with its answer. */
export function ask(client, what, detail = {}) {
  return new Promise((resolve, reject) => {
    const id = questions.size + 1;
    questions.set(id, { resolve, reject });
    write({ ...detail, ask: id, what, client });
  });
}

function reply(id, action) {
  Promise.resolve()
    .then(action)
    .then(
      (result) => write({ reply: id, result: result ?? null }),
      (error) => write({
        reply: id,
        error: { code: error.code ?? 0, message: error.message ?? error.error ?? String(error) },
      }),
    );
}

/** Carry out commands until standard input ends. */
export function drive(commands) {
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    const message = JSON.parse(line);
    if ('answer' in message) {
      const { resolve, reject } = questions.get(message.answer);
      if ('error' in message) reject(new Error(message.error));
      else resolve(message.value);
    } else {
      reply(message.id, () => commands[message.do](message));
    }
  });
  // The libraries' timers would keep the process alive.
  lines.on('close', () => process.exit(0));
}
