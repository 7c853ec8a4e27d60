// Command till takes a card without anybody but the vault seeing its code: it seals the code, has the vault
// validate and redeem it, and believes nothing but the vault's signed receipts.
//
//	till ADDRESS CERTIFICATES CALLER PROGRAM AUDIENCE <code
//
// CERTIFICATES holds ca.pem, CALLER.pem and CALLER.key; AUDIENCE is whom receipts are made out to. The code is
// read from standard input, so that it stands in no list of processes. What became of it is written as one JSON
// object.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"

	formatsv1 "cardvault.dev/examples/till/gen/vault/formats/v1"
	vaultv1 "cardvault.dev/examples/till/gen/vault/v1"
)

const deadline = 30 * time.Second

// report is what the till tells; it never holds the code.
type report struct {
	Validated       string `json:"validated"`
	CardID          string `json:"card_id"`
	ReceiptCard     string `json:"receipt_card"`
	TamperedRefused bool   `json:"tampered_refused"`
	Replayed        string `json:"replayed"`
	Redeemed        string `json:"redeemed"`
	RedemptionID    string `json:"redemption_id"`
	ReceiptID       string `json:"receipt_id"`
	refusal
}

// till is one caller of the vault, for one program.
type till struct {
	client    vaultv1.ValidationServiceClient
	sealer    *sealer
	verifier  *verifier
	principal string
	program   string
	audience  string
}

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: till ADDRESS CERTIFICATES CALLER PROGRAM AUDIENCE <code")
		os.Exit(2)
	}
	told, err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(told)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address, certificates, caller, program, audience string) (*report, error) {
	transport, principal, err := identify(certificates, caller)
	if err != nil {
		return nil, err
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(transport))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()

	client := vaultv1.NewValidationServiceClient(connection)
	t := &till{client: client, principal: principal, program: program, audience: audience}
	asked := time.Now()
	keys, err := t.client.ListPublicKeys(ctx, &vaultv1.ListPublicKeysRequest{})
	if err != nil {
		return nil, err
	}
	if t.sealer, err = newSealer(keys, asked); err != nil {
		return nil, err
	}
	t.verifier = newVerifier(keys, audience)
	code, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return nil, err
	}
	return t.take(ctx, strings.TrimSpace(code))
}

// take validates a code and spends it; one that is not good ends there. A submission that was used is tried
// again, and a receipt with a changed character shown, to see both refused.
func (t *till) take(ctx context.Context, code string) (*report, error) {
	told := &report{}
	request, err := t.validation(code)
	if err != nil {
		return nil, err
	}
	validated, err := t.client.ValidateCode(ctx, request)
	if err != nil {
		return nil, err
	}
	told.Validated, told.CardID = validated.Result.GetVerdict().String(), validated.Result.GetCardId()
	if validated.Result.GetVerdict() != vaultv1.Verdict_VERDICT_GOOD {
		return told, nil
	}
	nonce, now := request.Receipt.Nonce, t.sealer.now()
	said, err := t.verifier.verify(validated.Receipt, useValidation, nonce, now)
	if err != nil {
		return nil, err
	}
	told.ReceiptCard = said.Subject
	_, err = t.verifier.verify(tampered(validated.Receipt), useValidation, nonce, now)
	told.TamperedRefused = err == errReceipt

	request.RequestId = drawUUID() // another request with the same submission: a replay
	replayed, err := t.client.ValidateCode(ctx, request)
	if err != nil {
		return nil, err
	}
	told.Replayed = replayed.Result.GetVerdict().String()

	if err = t.redeem(ctx, code, told); err != nil {
		return nil, err
	}
	short := &vaultv1.ValidateCodeRequest{Programs: []string{t.program}, Code: inClear("12")}
	_, err = t.client.ValidateCode(ctx, short)
	told.refusal = refusalOf(err)
	return told, nil
}

func (t *till) validation(code string) (*vaultv1.ValidateCodeRequest, error) {
	sealed, err := t.sealer.seal(t.principal, t.program, formatsv1.Submission_PURPOSE_VALIDATE, code)
	return &vaultv1.ValidateCodeRequest{
		Programs:  []string{t.program},
		Code:      sealed,
		RequestId: drawUUID(),
		Receipt:   &vaultv1.ReceiptRequest{Audience: t.audience, Nonce: drawNonce()},
	}, err
}

// redeem spends a code; whoever moves money keeps the receipt's id, and moves it once for each.
func (t *till) redeem(ctx context.Context, code string, told *report) error {
	sealed, err := t.sealer.seal(t.principal, t.program, formatsv1.Submission_PURPOSE_REDEEM, code)
	if err != nil {
		return err
	}
	nonce := drawNonce()
	redeemed, err := t.client.RedeemCode(ctx, &vaultv1.RedeemCodeRequest{
		Program:   t.program,
		RequestId: drawUUID(),
		Code:      sealed,
		Receipt:   &vaultv1.ReceiptRequest{Audience: t.audience, Nonce: nonce},
	})
	if err != nil {
		return err
	}
	told.Redeemed, told.RedemptionID = redeemed.Verdict.String(), redeemed.RedemptionId
	if redeemed.Verdict != vaultv1.Verdict_VERDICT_GOOD {
		return nil
	}
	said, err := t.verifier.verify(redeemed.Receipt, useRedemption, nonce, t.sealer.now())
	if err != nil {
		return err
	}
	told.ReceiptID = said.ID
	return nil
}

func inClear(code string) *vaultv1.PresentedCode {
	return &vaultv1.PresentedCode{Form: &vaultv1.PresentedCode_Code{Code: code}}
}

// tampered returns a receipt with one character changed, in the middle.
func tampered(receipt string) string {
	changed := []byte(receipt)
	middle := len(changed) / 2
	if changed[middle] == 'A' {
		changed[middle] = 'B'
	} else {
		changed[middle] = 'A'
	}
	return string(changed)
}
