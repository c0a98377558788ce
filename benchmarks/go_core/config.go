package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// config is what girandola bench says of a server that it measures, in Centrifugo 6's names.
type config struct {
	Client struct {
		Token struct {
			HMACSecretKey string `json:"hmac_secret_key"`
		} `json:"token"`
		AllowAnonymousConnectWithoutToken bool     `json:"allow_anonymous_connect_without_token"`
		PingInterval                      duration `json:"ping_interval"`
		PongTimeout                       duration `json:"pong_timeout"`
	}
	HTTPAPI struct {
		Key string `json:"key"`
	}
	Channel struct {
		WithoutNamespace options     `json:"without_namespace"`
		Namespaces       []namespace `json:"namespaces"`
	}
	byName map[string]options
}

type options struct {
	AllowSubscribeForClient    bool     `json:"allow_subscribe_for_client"`
	AllowSubscribeForAnonymous bool     `json:"allow_subscribe_for_anonymous"`
	HistorySize                int      `json:"history_size"`
	HistoryTTL                 duration `json:"history_ttl"`
	ForceRecovery              bool     `json:"force_recovery"`
}

type namespace struct {
	Name string `json:"name"`
	options
}

// duration is written as in "25s" or "1h30m".
type duration struct{ time.Duration }

func (d *duration) UnmarshalText(text []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(text))
	return err
}

// readConfig refuses what it does not know in the sections it reads: a setting passed over in
// silence would make two servers differ for a reason that nobody sees. Other sections turn on
// doors and logs; there are those of main.go, always.
func readConfig(path string) (*config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var sections map[string]json.RawMessage
	if err := json.Unmarshal(text, &sections); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	read := &config{byName: map[string]options{}}
	for name, section := range map[string]any{
		"client": &read.Client, "http_api": &read.HTTPAPI, "channel": &read.Channel,
	} {
		if sections[name] == nil {
			continue
		}
		decoder := json.NewDecoder(bytes.NewReader(sections[name]))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(section); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, name, err)
		}
	}
	if read.HTTPAPI.Key == "" {
		return nil, fmt.Errorf("%s: http_api.key: expected a key, found none", path)
	}
	for _, each := range read.Channel.Namespaces {
		read.byName[each.Name] = each.options
	}
	return read, nil
}

// optionsOf returns the options of a channel; false when there is no such namespace.
func (c *config) optionsOf(channel string) (options, bool) {
	name, _, found := strings.Cut(channel, ":")
	if !found {
		return c.Channel.WithoutNamespace, true
	}
	named, known := c.byName[name]
	return named, known
}
