//go:build tls

// github.com/rabbitmq/amqp091-go, in TLS.
package main

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
)

var amqpsURL = os.Getenv("AMQPS_URL")

func main() {
	perform(
		check{"TLS: bodies of several sizes", bodies},
		check{"TLS: an unknown authority is refused", unknownAuthority},
		check{"TLS: login by certificate", external},
	)
}

// trusting knows the authority of the broker's certificate.
func trusting() *tls.Config {
	authority, err := os.ReadFile(os.Getenv("INTEROP_AUTHORITY"))
	must(err)
	pool := x509.NewCertPool()
	require(pool.AppendCertsFromPEM(authority))
	return &tls.Config{RootCAs: pool}
}

func bodies() {
	connection, err := amqp.DialTLS(amqpsURL, trusting())
	must(err)
	defer connection.Close()
	channel := channelOf(connection)
	queue := exclusiveQueue(channel, "tls", nil)
	deliveries := consume(channel, queue)
	for _, size := range tlsSizes {
		body := make([]byte, size)
		_, err := rand.Read(body)
		must(err)
		must(publish(channel, "", queue, amqp.Publishing{Body: body}))
		require(bytes.Equal(next(deliveries).Body, body), size)
	}
}

func unknownAuthority() {
	_, err := amqp.DialTLS(amqpsURL, &tls.Config{})
	var unknown x509.UnknownAuthorityError
	require(errors.As(err, &unknown), err)
}

func external() {
	config := trusting()
	_, err := amqp.DialTLS_ExternalAuth(amqpsURL, config)
	require(errors.Is(err, amqp.ErrCredentials), err)
	certificate := os.Getenv("INTEROP_CERTIFICATE")
	pair, err := tls.LoadX509KeyPair(certificate, certificate)
	must(err)
	config.Certificates = []tls.Certificate{pair}
	connection, err := amqp.DialTLS_ExternalAuth(amqpsURL, config)
	must(err)
	defer connection.Close()
	channel := channelOf(connection)
	queue := exclusiveQueue(channel, "external", nil)
	uri, err := amqp.ParseURI(amqpsURL)
	must(err)
	must(publish(channel, "", queue, amqp.Publishing{UserId: uri.Username}))
	require(next(consume(channel, queue)).UserId == uri.Username)
}
