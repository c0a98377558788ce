package main

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log"
	"net/http"

	"github.com/centrifugal/centrifuge"
)

const bodyLimit = 8 << 20 // bytes

// api is as much of a server API as girandola bench calls: publish, broadcast, history, and a
// batch of publications, with the requests and results of Centrifugo's, on encoding/json.
type api struct {
	node   *centrifuge.Node
	config *config
}

// request is any of them; each method looks at its own fields.
type request struct {
	Channel  string          `json:"channel"`
	Channels []string        `json:"channels"`
	Data     json.RawMessage `json:"data"`
	Limit    int             `json:"limit"`
	Commands []struct {
		Publish *request `json:"publish"`
	} `json:"commands"`
}

// reply holds a result or an error. In a batch the result has the name of its method.
type reply struct {
	Result  any     `json:"result,omitempty"`
	Publish any     `json:"publish,omitempty"`
	Error   *failed `json:"error,omitempty"`
}

type failed struct {
	Code    uint32 `json:"code"`
	Message string `json:"message"`
}

// position is the result of a publication; empty in channels without history.
type position struct {
	Offset uint64 `json:"offset,omitempty"`
	Epoch  string `json:"epoch,omitempty"`
}

type publication struct {
	Offset uint64          `json:"offset"`
	Data   json.RawMessage `json:"data"`
}

func (a *api) addTo(routes *http.ServeMux) {
	routes.Handle("POST /api/publish", a.door(func(asked *request) any {
		return a.publish(asked.Channel, asked.Data)
	}))
	routes.Handle("POST /api/broadcast", a.door(func(asked *request) any {
		responses := make([]reply, len(asked.Channels))
		for place, channel := range asked.Channels {
			responses[place] = a.publish(channel, asked.Data)
		}
		return reply{Result: map[string]any{"responses": responses}}
	}))
	routes.Handle("POST /api/history", a.door(func(asked *request) any {
		return a.history(asked.Channel, asked.Limit)
	}))
	routes.Handle("POST /api/batch", a.door(func(asked *request) any {
		replies := make([]reply, len(asked.Commands))
		for place, command := range asked.Commands {
			if command.Publish == nil {
				replies[place] = refused(centrifuge.ErrorMethodNotFound)
				continue
			}
			done := a.publish(command.Publish.Channel, command.Publish.Data)
			replies[place] = reply{Publish: done.Result, Error: done.Error}
		}
		return map[string]any{"replies": replies}
	}))
}

// door returns a handler that lets in who has the key, reads the request and writes the answer.
func (a *api) door(answer func(*request) any) http.Handler {
	key := []byte(a.config.HTTPAPI.Key)
	return http.HandlerFunc(func(writer http.ResponseWriter, incoming *http.Request) {
		if subtle.ConstantTimeCompare([]byte(incoming.Header.Get("X-API-Key")), key) != 1 {
			http.Error(writer, "X-API-Key: expected the key of this API", http.StatusUnauthorized)
			return
		}
		asked := new(request)
		body := http.MaxBytesReader(writer, incoming.Body, bodyLimit)
		if err := json.NewDecoder(body).Decode(asked); err != nil {
			http.Error(writer, "expected a request in JSON: "+err.Error(), http.StatusBadRequest)
			return
		}
		writer.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(writer).Encode(answer(asked)) // who went away needs none
	})
}

func (a *api) publish(channel string, data json.RawMessage) reply {
	if channel == "" || len(data) == 0 {
		return refused(centrifuge.ErrorBadRequest)
	}
	options, known := a.config.optionsOf(channel)
	if !known {
		return refused(centrifuge.ErrorUnknownChannel)
	}
	keep := centrifuge.WithHistory(options.HistorySize, options.HistoryTTL.Duration)
	done, err := a.node.Publish(channel, data, keep)
	if err != nil {
		return refused(err)
	}
	return reply{Result: position{done.Offset, done.Epoch}}
}

// history reads from the oldest publication on; without a limit, just where the stream stands.
func (a *api) history(channel string, limit int) reply {
	if _, known := a.config.optionsOf(channel); !known || channel == "" {
		return refused(centrifuge.ErrorUnknownChannel)
	}
	found, err := a.node.History(channel, centrifuge.WithLimit(limit))
	if err != nil {
		return refused(err)
	}
	publications := make([]publication, len(found.Publications))
	for place, each := range found.Publications {
		publications[place] = publication{each.Offset, each.Data}
	}
	result := map[string]any{"publications": publications, "offset": found.Offset, "epoch": found.Epoch}
	return reply{Result: result}
}

// refused returns the reply to a request that was refused, or that the core failed at.
func refused(err error) reply {
	told := centrifuge.ErrorInternal
	if !errors.As(err, &told) {
		log.Println(err)
	}
	return reply{Error: &failed{told.Code, told.Message}}
}
