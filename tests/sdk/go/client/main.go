// Command client lets a test drive centrifuge-go: today's protocol over WebSocket, in JSON, or in
// Protobuf where the first argument says so. driver.go says how, words.go in which words.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"github.com/centrifugal/centrifuge-go"
)

const timeout = 10 * time.Second

// clients are those of one test, by the names that it gave them.
type clients struct {
	*driver
	binary bool
	mu     sync.Mutex
	named  map[string]*centrifuge.Client
}

// command is what a test wants done; which fields count depends on what.
type command struct {
	Client   string          `json:"client"`
	URL      string          `json:"url"`
	Token    string          `json:"token"`
	Delay    int             `json:"delay"` // ms
	Channel  string          `json:"channel"`
	AskToken bool            `json:"ask_token"`
	Data     json.RawMessage `json:"data"`
	Limit    int             `json:"limit"`
	Options  struct {
		Delta      string `json:"delta"`
		TagsFilter *node  `json:"tags_filter"`
	} `json:"options"`
}

func (c *clients) client(name string) *centrifuge.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.named[name]
}

func (c *clients) open(do command) error {
	delay := time.Duration(do.Delay) * time.Millisecond
	config := centrifuge.Config{
		Token: do.Token,
		GetToken: func(centrifuge.ConnectionTokenEvent) (string, error) {
			return c.askToken(do.Client, "token", "")
		},
		MinReconnectDelay: delay,
		MaxReconnectDelay: delay * 4,
	}
	make := centrifuge.NewJsonClient
	if c.binary {
		make = centrifuge.NewProtobufClient
	}
	client := make(do.URL, config)
	c.listen(do.Client, client)
	c.mu.Lock()
	c.named[do.Client] = client
	c.mu.Unlock()
	return client.Connect()
}

func (c *clients) listen(name string, client *centrifuge.Client) {
	client.OnConnecting(func(e centrifuge.ConnectingEvent) {
		c.tell(name, "connecting", whyOf(e.Code, e.Reason))
	})
	client.OnConnected(func(e centrifuge.ConnectedEvent) {
		c.tell(name, "connected", detail{"id": e.ClientID, "data": valueOf(e.Data)})
	})
	client.OnDisconnected(func(e centrifuge.DisconnectedEvent) {
		c.tell(name, "disconnected", whyOf(e.Code, e.Reason))
	})
	client.OnError(func(e centrifuge.ErrorEvent) { c.tell(name, "error", errorOf(e.Error)) })
	client.OnSubscribing(func(e centrifuge.ServerSubscribingEvent) {
		c.tell(name, "server_subscribing", detail{"channel": e.Channel})
	})
	client.OnSubscribed(func(e centrifuge.ServerSubscribedEvent) {
		c.tell(name, "server_subscribed", detail{
			"channel": e.Channel, "was_recovering": e.WasRecovering, "recovered": e.Recovered,
			"recoverable": e.Recoverable, "positioned": e.Positioned, "data": valueOf(e.Data),
		})
	})
	client.OnUnsubscribed(func(e centrifuge.ServerUnsubscribedEvent) {
		c.tell(name, "server_unsubscribed", detail{"channel": e.Channel})
	})
	client.OnPublication(func(e centrifuge.ServerPublicationEvent) {
		c.tell(name, "server_publication", in(e.Channel, publicationOf(e.Publication)))
	})
	client.OnJoin(func(e centrifuge.ServerJoinEvent) {
		c.tell(name, "server_join", in(e.Channel, personOf(e.ClientInfo)))
	})
	client.OnLeave(func(e centrifuge.ServerLeaveEvent) {
		c.tell(name, "server_leave", in(e.Channel, personOf(e.ClientInfo)))
	})
}

func (c *clients) subscribe(do command) error {
	config := centrifuge.SubscriptionConfig{
		JoinLeave:           true,
		Delta:               centrifuge.DeltaType(do.Options.Delta),
		TagsFilter:          do.Options.TagsFilter.filter(),
		MinResubscribeDelay: 50 * time.Millisecond,
		MaxResubscribeDelay: 200 * time.Millisecond,
	}
	if do.AskToken {
		config.GetToken = func(e centrifuge.SubscriptionTokenEvent) (string, error) {
			return c.askToken(do.Client, "subscription_token", e.Channel)
		}
	}
	subscription, err := c.client(do.Client).NewSubscription(do.Channel, config)
	if err != nil {
		return err
	}
	c.listenTo(do.Client, subscription)
	return subscription.Subscribe()
}

func (c *clients) listenTo(name string, subscription *centrifuge.Subscription) {
	tell := func(event string, about detail) { c.tell(name, event, in(subscription.Channel, about)) }
	subscription.OnSubscribing(func(e centrifuge.SubscribingEvent) {
		tell("subscribing", whyOf(e.Code, e.Reason))
	})
	subscription.OnSubscribed(func(e centrifuge.SubscribedEvent) {
		tell("subscribed", detail{
			"was_recovering": e.WasRecovering, "recovered": e.Recovered,
			"recoverable": e.Recoverable, "positioned": e.Positioned, "data": valueOf(e.Data),
		})
	})
	subscription.OnUnsubscribed(func(e centrifuge.UnsubscribedEvent) {
		tell("unsubscribed", whyOf(e.Code, e.Reason))
	})
	subscription.OnPublication(func(e centrifuge.PublicationEvent) {
		tell("publication", publicationOf(e.Publication))
	})
	subscription.OnJoin(func(e centrifuge.JoinEvent) { tell("join", personOf(e.ClientInfo)) })
	subscription.OnLeave(func(e centrifuge.LeaveEvent) { tell("leave", personOf(e.ClientInfo)) })
	subscription.OnError(func(e centrifuge.SubscriptionErrorEvent) {
		tell("subscription_error", errorOf(e.Error))
	})
}

func (c *clients) publish(ctx context.Context, do command) error {
	_, err := c.client(do.Client).Publish(ctx, do.Channel, do.Data)
	return err
}

func (c *clients) presence(ctx context.Context, do command) (any, error) {
	result, err := c.client(do.Client).Presence(ctx, do.Channel)
	people := []detail{}
	for _, info := range result.Clients {
		people = append(people, personOf(info))
	}
	return people, err
}

func (c *clients) presenceStats(ctx context.Context, do command) (any, error) {
	result, err := c.client(do.Client).PresenceStats(ctx, do.Channel)
	return detail{"clients": result.NumClients, "users": result.NumUsers}, err
}

func (c *clients) history(ctx context.Context, do command) (any, error) {
	limit := centrifuge.WithHistoryLimit(int32(do.Limit))
	result, err := c.client(do.Client).History(ctx, do.Channel, limit)
	publications := []detail{}
	for _, publication := range result.Publications {
		publications = append(publications, publicationOf(publication))
	}
	return detail{"offset": result.Offset, "publications": publications}, err
}

func (c *clients) unsubscribe(do command) error {
	client := c.client(do.Client)
	subscription, known := client.GetSubscription(do.Channel)
	if !known {
		return fmt.Errorf("%s is not subscribed to %s", do.Client, do.Channel)
	}
	if err := subscription.Unsubscribe(); err != nil {
		return err
	}
	return client.RemoveSubscription(subscription)
}

func (c *clients) carryOut(what string, text []byte) (any, error) {
	var do command
	if err := json.Unmarshal(text, &do); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	switch what {
	case "open":
		return nil, c.open(do)
	case "subscribe":
		return nil, c.subscribe(do)
	case "publish":
		return nil, c.publish(ctx, do)
	case "presence":
		return c.presence(ctx, do)
	case "presence_stats":
		return c.presenceStats(ctx, do)
	case "history":
		return c.history(ctx, do)
	case "unsubscribe":
		return nil, c.unsubscribe(do)
	case "close":
		return nil, c.client(do.Client).Disconnect()
	}
	return nil, fmt.Errorf("unknown command %q", what)
}

func main() {
	binary := len(os.Args) > 1 && os.Args[1] == "protobuf"
	all := clients{driver: newDriver(os.Stdout), binary: binary, named: map[string]*centrifuge.Client{}}
	if err := all.run(os.Stdin, all.carryOut); err != nil {
		log.Fatal(err)
	}
}
