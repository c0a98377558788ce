package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/centrifugal/centrifuge-go"
)

// detail is what a line says beside its kind.
type detail map[string]any

// driver reads commands and answers as JSON lines, and writes replies, events and questions:
// ../../node/driver.mjs says what they look like. It is safe for concurrent use.
type driver struct {
	mu        sync.Mutex
	out       *json.Encoder
	questions map[int]chan answer
}

type answer struct {
	value json.RawMessage
	err   error
}

// line is a command or, where Answer is there, the answer to a question.
type line struct {
	ID     int             `json:"id"`
	Do     string          `json:"do"`
	Answer *int            `json:"answer"`
	Value  json.RawMessage `json:"value"`
	Error  string          `json:"error"`
}

func newDriver(out io.Writer) *driver {
	return &driver{out: json.NewEncoder(out), questions: map[int]chan answer{}}
}

func (d *driver) write(message detail) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.out.Encode(message); err != nil {
		os.Exit(1) // the test is gone
	}
}

// tell the test that something happened to a client.
func (d *driver) tell(client, event string, about detail) {
	message := detail{"event": event, "client": client}
	for key, value := range about {
		message[key] = value
	}
	d.write(message)
}

// askToken asks the test, which plays the application's backend, for a token.
func (d *driver) askToken(client, what, channel string) (string, error) {
	reply := make(chan answer, 1)
	d.mu.Lock()
	id := len(d.questions) + 1
	d.questions[id] = reply
	d.mu.Unlock()
	d.write(detail{"ask": id, "what": what, "client": client, "channel": channel})
	got := <-reply
	if got.err != nil {
		return "", got.err
	}
	var token *string
	if err := json.Unmarshal(got.value, &token); err != nil {
		return "", err
	}
	if token == nil {
		return "", centrifuge.ErrUnauthorized
	}
	return *token, nil
}

func (d *driver) take(id int, value json.RawMessage, text string) {
	d.mu.Lock()
	reply := d.questions[id]
	d.mu.Unlock()
	got := answer{value: value}
	if text != "" {
		got.err = errors.New(text)
	}
	reply <- got
}

func (d *driver) reply(id int, result any, err error) {
	if err == nil {
		d.write(detail{"reply": id, "result": result})
		return
	}
	d.write(detail{"reply": id, "error": errorOf(err)})
}

// run carries out commands until the input ends. Each has a goroutine of its own: calls of the
// library wait for the server, or for an answer that comes as a line.
func (d *driver) run(in io.Reader, carryOut func(do string, command []byte) (any, error)) error {
	lines := bufio.NewReader(in)
	for {
		text, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var got line
		if err := json.Unmarshal(text, &got); err != nil {
			return err
		}
		if got.Answer != nil {
			d.take(*got.Answer, got.Value, got.Error)
			continue
		}
		go func() {
			result, err := carryOut(got.Do, text)
			d.reply(got.ID, result, err)
		}()
	}
}
