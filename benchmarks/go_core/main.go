// A server to compare girandola with, and nothing else: do not run it in earnest.
//
// Its core is the public Go module github.com/centrifugal/centrifuge, which is also the core of
// Centrifugo: transports, protocol, hub and memory broker are the module's, with the settings that
// Centrifugo 6 has by default. What is around them is ours: configuration (config.go), tokens, and
// the HTTP API (api.go). So what it takes to publish by HTTP (B6, a part of the others) says
// nothing about Centrifugo's API, and what a token takes (B5) nothing about Centrifugo's tokens.
// The module has no one-way transports, and neither has this.
//
//	go build -o DIR/go-core .
//	girandola bench --show-config --api-key K --token-secret S > config.json
//	GOMAXPROCS=1 taskset -c 0 DIR/go-core -config config.json -address 127.0.0.1:8001
//
// It writes the address it listens on to stdout. scripts/bench-go does all of that.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/golang-jwt/jwt/v5"
)

// What Centrifugo sets where the module's own default differs, or where it has to be said.
const (
	staleCloseDelay        = 10 * time.Second
	presenceUpdateInterval = 27 * time.Second
	publicationLimit       = 300 // for a client's history and for recovery
	messageSizeLimit       = 65536
	writeTimeout           = time.Second
)

func main() {
	file := flag.String("config", "", "`file` that girandola bench --show-config wrote")
	address := flag.String("address", "127.0.0.1:0", "where to listen; port 0 is any free one")
	flag.Parse()
	if *file == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	log.SetFlags(0)
	log.SetPrefix("go-core: ")
	config, err := readConfig(*file)
	if err == nil {
		err = serve(config, *address)
	}
	log.Fatal(err)
}

// serve goes on until a signal ends the process: nobody waits for its farewell.
func serve(config *config, address string) error {
	node, err := newNode(config)
	if err != nil {
		return err
	}
	routes := http.NewServeMux()
	pings := centrifuge.PingPongConfig{
		PingInterval: config.Client.PingInterval.Duration,
		PongTimeout:  config.Client.PongTimeout.Duration,
	}
	routes.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		MessageSizeLimit: messageSizeLimit, WriteTimeout: writeTimeout, PingPongConfig: pings,
	}))
	routes.Handle("/connection/sse", centrifuge.NewSSEHandler(node, centrifuge.SSEConfig{
		MaxRequestBodySize: messageSizeLimit, PingPongConfig: pings,
	}))
	routes.Handle("/connection/http_stream", centrifuge.NewHTTPStreamHandler(node, centrifuge.HTTPStreamConfig{
		MaxRequestBodySize: messageSizeLimit, PingPongConfig: pings,
	}))
	emulated := centrifuge.EmulationConfig{MaxRequestBodySize: messageSizeLimit}
	routes.Handle("/emulation", centrifuge.NewEmulationHandler(node, emulated))
	(&api{node, config}).addTo(routes)

	if err := node.Run(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes, ReadHeaderTimeout: 10 * time.Second}
	fmt.Println(listener.Addr())
	return server.Serve(listener)
}

// newNode returns the core with its memory broker, and with what decides who may connect and
// subscribe. Write delay, frame size and queues are the module's defaults, which Centrifugo keeps.
func newNode(config *config) (*centrifuge.Node, error) {
	node, err := centrifuge.New(centrifuge.Config{
		ClientStaleCloseDelay:        staleCloseDelay,
		ClientPresenceUpdateInterval: presenceUpdateInterval,
		HistoryMaxPublicationLimit:   publicationLimit,
		RecoveryMaxPublicationLimit:  publicationLimit,
		LogLevel:                     centrifuge.LogLevelError,
		LogHandler: func(entry centrifuge.LogEntry) {
			log.Println(entry.Message, entry.Error, entry.Fields)
		},
	})
	if err != nil {
		return nil, err
	}
	verify := verifier(config.Client.Token.HMACSecretKey)
	node.OnConnecting(func(_ context.Context, event centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		if event.Token == "" && config.Client.AllowAnonymousConnectWithoutToken {
			return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
		}
		credentials, err := verify(event.Token)
		return centrifuge.ConnectReply{Credentials: credentials, ClientSideRefresh: true}, err
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(event centrifuge.SubscribeEvent, done centrifuge.SubscribeCallback) {
			reply, err := subscribe(config, client.UserID(), event.Channel)
			done(reply, err)
		})
	})
	return node, nil
}

func subscribe(config *config, user, channel string) (centrifuge.SubscribeReply, error) {
	options, known := config.optionsOf(channel)
	if !known {
		return centrifuge.SubscribeReply{}, centrifuge.ErrorUnknownChannel
	}
	if !options.AllowSubscribeForClient || user == "" && !options.AllowSubscribeForAnonymous {
		return centrifuge.SubscribeReply{}, centrifuge.ErrorPermissionDenied
	}
	granted := centrifuge.SubscribeOptions{EnableRecovery: options.ForceRecovery}
	return centrifuge.SubscribeReply{Options: granted}, nil
}

// verifier returns a function that reads connection tokens: JWTs signed with HS256. Its errors
// are what the client is told: expired, or disconnected for any other fault.
func verifier(secret string) func(token string) (*centrifuge.Credentials, error) {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}))
	key := []byte(secret)
	give := func(*jwt.Token) (any, error) {
		if len(key) == 0 {
			return nil, errors.New("no hmac_secret_key is configured")
		}
		return key, nil
	}
	return func(token string) (*centrifuge.Credentials, error) {
		var claims jwt.RegisteredClaims
		if _, err := parser.ParseWithClaims(token, &claims, give); errors.Is(err, jwt.ErrTokenExpired) {
			return nil, centrifuge.ErrorTokenExpired
		} else if err != nil {
			return nil, centrifuge.DisconnectInvalidToken
		}
		var end int64
		if claims.ExpiresAt != nil {
			end = claims.ExpiresAt.Unix()
		}
		return &centrifuge.Credentials{UserID: claims.Subject, ExpireAt: end}, nil
	}
}
