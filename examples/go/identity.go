package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// identify returns mutual TLS with a caller's certificate, and the principal that the certificate names.
func identify(folder, caller string) (credentials.TransportCredentials, string, error) {
	authority, err := os.ReadFile(filepath.Join(folder, "ca.pem"))
	if err != nil {
		return nil, "", err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(authority) {
		return nil, "", errors.New("ca.pem holds no certificate")
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, caller+".pem"), filepath.Join(folder, caller+".key"))
	if err != nil {
		return nil, "", err
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, "", err
	}
	if len(leaf.URIs) != 1 {
		return nil, "", errors.New("the certificate names no SPIFFE id")
	}
	certificates := []tls.Certificate{pair}
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: authorities, Certificates: certificates}
	return credentials.NewTLS(config), leaf.URIs[0].String(), nil
}

// refusal is what an error of the vault's tells.
type refusal struct {
	Status string `json:"refused_status"`
	Reason string `json:"refused_reason"`
	Field  string `json:"refused_field"`
}

// refusalOf reads google.rpc's error details: the status, ErrorInfo's reason, and the field that BadRequest
// names.
func refusalOf(err error) refusal {
	answer := status.Convert(err)
	read := refusal{Status: code.Code(answer.Code()).String()}
	for _, detail := range answer.Details() {
		switch known := detail.(type) {
		case *errdetails.ErrorInfo:
			read.Reason = known.Reason
		case *errdetails.BadRequest:
			for _, violation := range known.FieldViolations {
				read.Field = violation.Field
			}
		}
	}
	return read
}
