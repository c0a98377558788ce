// Command gocent makes calls of the server API with gocent 3, one request after the other:
//
//	in:  {"address": "http://…/api", "key": "…", "calls": [{"do": "publish", "channel": "a", …}, …]}
//	out: [{"result": …}, {"error": {"code": 102, "message": "…"}}, {"error": {"status": 401, …}}, …]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/centrifugal/gocent/v3"
)

const timeout = 10 * time.Second

type order struct {
	Address string `json:"address"`
	Key     string `json:"key"`
	Calls   []call `json:"calls"`
}

// call is what a test wants done; which fields count depends on what.
type call struct {
	Do          string                 `json:"do"`
	Channel     string                 `json:"channel"`
	Channels    []string               `json:"channels"`
	Data        json.RawMessage        `json:"data"`
	User        string                 `json:"user"`
	Client      string                 `json:"client"`
	Disconnect  *gocent.Disconnect     `json:"disconnect"`
	Limit       int                    `json:"limit"`
	Since       *gocent.StreamPosition `json:"since"`
	Reverse     bool                   `json:"reverse"`
	Pattern     string                 `json:"pattern"`
	SkipHistory bool                   `json:"skip_history"`
	Calls       []call                 `json:"calls"` // of a pipe, which are publications
}

type answer struct {
	Result any `json:"result,omitempty"`
	Error  any `json:"error,omitempty"`
}

func carryOut(client *gocent.Client, do call) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	switch do.Do {
	case "publish":
		return client.Publish(ctx, do.Channel, do.Data, gocent.WithSkipHistory(do.SkipHistory))
	case "broadcast":
		return client.Broadcast(ctx, do.Channels, do.Data)
	case "subscribe":
		return nil, client.Subscribe(ctx, do.Channel, do.User, gocent.WithSubscribeData(do.Data))
	case "unsubscribe":
		return nil, client.Unsubscribe(ctx, do.Channel, do.User, gocent.WithUnsubscribeClient(do.Client))
	case "disconnect":
		return nil, client.Disconnect(ctx, do.User, disconnection(do)...)
	case "presence":
		return client.Presence(ctx, do.Channel)
	case "presence_stats":
		return client.PresenceStats(ctx, do.Channel)
	case "history":
		return client.History(ctx, do.Channel, gocent.WithLimit(do.Limit),
			gocent.WithSince(do.Since), gocent.WithReverse(do.Reverse))
	case "history_remove":
		return nil, client.HistoryRemove(ctx, do.Channel)
	case "channels":
		return client.Channels(ctx, gocent.WithPattern(do.Pattern))
	case "info":
		return client.Info(ctx)
	case "pipe":
		return pipe(ctx, client, do.Calls)
	}
	return nil, fmt.Errorf("unknown call %q", do.Do)
}

func disconnection(do call) []gocent.DisconnectOption {
	options := []gocent.DisconnectOption{gocent.WithDisconnectClient(do.Client)}
	if do.Disconnect != nil {
		options = append(options, gocent.WithDisconnect(do.Disconnect))
	}
	return options
}

func pipe(ctx context.Context, client *gocent.Client, calls []call) (any, error) {
	pipe := client.Pipe()
	for _, each := range calls {
		if err := pipe.AddPublish(each.Channel, each.Data); err != nil {
			return nil, err
		}
	}
	return client.SendPipe(ctx, pipe)
}

func answerOf(result any, err error) answer {
	var refused *gocent.Error
	var status gocent.ErrStatusCode
	switch {
	case err == nil:
		return answer{Result: result}
	case errors.As(err, &refused):
		return answer{Error: refused}
	case errors.As(err, &status):
		return answer{Error: map[string]any{"status": status.Code, "message": string(status.Body)}}
	}
	return answer{Error: map[string]any{"message": err.Error()}}
}

func main() {
	var given order
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		log.Fatal(err)
	}
	client := gocent.New(gocent.Config{Addr: given.Address, Key: given.Key})
	answers := []answer{}
	for _, each := range given.Calls {
		answers = append(answers, answerOf(carryOut(client, each)))
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		log.Fatal(err)
	}
}
