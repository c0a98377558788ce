package main

import (
	"encoding/json"
	"errors"

	"github.com/centrifugal/centrifuge-go"
)

// What the library hands out, in the words that the tests have for all libraries. Payloads are JSON
// in both encodings.

func valueOf(data []byte) json.RawMessage {
	if len(data) == 0 {
		return json.RawMessage("null")
	}
	return data
}

func personOf(info centrifuge.ClientInfo) detail {
	return detail{
		"user": info.User, "id": info.Client,
		"conn_info": valueOf(info.ConnInfo), "chan_info": valueOf(info.ChanInfo),
	}
}

func publicationOf(publication centrifuge.Publication) detail {
	about := detail{
		"data": valueOf(publication.Data), "offset": publication.Offset,
		"tags": publication.Tags, "info": nil,
	}
	if publication.Info != nil {
		about["info"] = personOf(*publication.Info)
	}
	return about
}

// errorOf returns an error's number and sentence; it has no number where the server did not give it.
func errorOf(err error) detail {
	var refused *centrifuge.Error
	if errors.As(err, &refused) {
		return detail{"code": refused.Code, "message": refused.Message}
	}
	return detail{"code": 0, "message": err.Error()}
}

func whyOf(code uint32, reason string) detail {
	return detail{"code": code, "reason": reason}
}

// in adds the channel to what happened in it.
func in(channel string, about detail) detail {
	about["channel"] = channel
	return about
}
