package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/nacl/box"
	"google.golang.org/protobuf/proto"

	formatsv1 "cardvault.dev/examples/till/gen/vault/formats/v1"
	vaultv1 "cardvault.dev/examples/till/gen/vault/v1"
)

const vectors = "../../tests/vectors"

type receiptCase struct {
	Name     string
	Accepted bool
	Public   string
	Version  uint32
	Claims   map[string]any
	Receipt  string
}

type submissionCase struct {
	Name                     string
	Accepted                 bool
	Private, Public, Message string
	Blob                     string
	Fields                   struct {
		Audience, Program, Nonce, Serial string
		Purpose                          int32
		SealTimeMs                       int64  `json:"seal_time_ms"`
		PublicKey                        string `json:"public_key"`
		Codes                            []string
	}
}

func load[Case any](t *testing.T, name string) []Case {
	t.Helper()
	var file struct{ Cases []Case }
	content, err := os.ReadFile(filepath.Join(vectors, name))
	if err == nil {
		err = json.Unmarshal(content, &file)
	}
	if err != nil || len(file.Cases) == 0 {
		t.Fatal("no cases", err)
	}
	return file.Cases
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	content, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestReceiptsAreAcceptedAndRefusedAsTheVaultsOwnVerifierDoes(t *testing.T) {
	for _, one := range load[receiptCase](t, "receipt.json") {
		v := &verifier{keys: map[string]ed25519.PublicKey{}}
		v.trust(fmt.Sprintf("receipt-%d", one.Version), unhex(t, one.Public))
		content, err := v.open(one.Receipt)
		if one.Accepted != (err == nil) {
			t.Errorf("%s: accepted is %t", one.Name, err == nil)
		}
		if one.Accepted {
			claimed, err := json.Marshal(one.Claims)
			if err != nil || !bytes.Equal(claimed, content) {
				t.Errorf("%s: other claims", one.Name)
			}
		}
	}
}

func TestAReceiptCountsForItsReaderItsRequestAndItsTimeAlone(t *testing.T) {
	one := load[receiptCase](t, "receipt.json")[1] // a redemption
	nonce := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	issued := time.Unix(1700000000, 0)
	issuer, audience := one.Claims["iss"].(string), one.Claims["aud"].(string)
	reader := func(issuer, audience string) *verifier {
		v := &verifier{issuer: issuer, audience: audience, keys: map[string]ed25519.PublicKey{}}
		v.trust(fmt.Sprintf("receipt-%d", one.Version), unhex(t, one.Public))
		return v
	}
	us := reader(issuer, audience)
	for _, try := range []struct {
		name    string
		counts  bool
		reader  *verifier
		receipt string
		use     string
		nonce   []byte
		now     time.Time
	}{
		{"as asked for", true, us, one.Receipt, useRedemption, nonce, issued},
		{"early, within the leeway", true, us, one.Receipt, useRedemption, nonce, issued.Add(-30 * time.Second)},
		{"late, within the leeway", true, us, one.Receipt, useRedemption, nonce, issued.Add(329 * time.Second)},
		{"another issuer", false, reader("urn:uuid:other", audience), one.Receipt, useRedemption, nonce, issued},
		{"another audience", false, reader(issuer, "other.example"), one.Receipt, useRedemption, nonce, issued},
		{"another use", false, us, one.Receipt, useValidation, nonce, issued},
		{"another nonce", false, us, one.Receipt, useRedemption, nonce[1:], issued},
		{"too early", false, us, one.Receipt, useRedemption, nonce, issued.Add(-31 * time.Second)},
		{"too late", false, us, one.Receipt, useRedemption, nonce, issued.Add(330 * time.Second)},
		{"a line feed", false, us, one.Receipt + "\n", useRedemption, nonce, issued},
	} {
		said, err := try.reader.verify(try.receipt, try.use, try.nonce, try.now)
		if try.counts != (err == nil) || (try.counts && said.Subject != one.Claims["sub"]) {
			t.Errorf("%s: %v", try.name, err)
		}
	}
	for place := range one.Receipt {
		changed := []byte(one.Receipt)
		changed[place] ^= 1
		if _, err := us.verify(string(changed), useRedemption, nonce, issued); err != errReceipt {
			t.Errorf("byte %d changed: %v", place, err)
		}
	}
}

func TestMessagesHaveTheBytesThatTheVaultReads(t *testing.T) {
	accepted := 0
	for _, one := range load[submissionCase](t, "submission.json") {
		if !one.Accepted {
			continue
		}
		accepted++
		message, err := padded(&formatsv1.Submission{
			Audience:   one.Fields.Audience,
			Program:    one.Fields.Program,
			Purpose:    formatsv1.Submission_Purpose(one.Fields.Purpose),
			SealTimeMs: one.Fields.SealTimeMs,
			Nonce:      unhex(t, one.Fields.Nonce),
			Codes:      one.Fields.Codes,
			Serial:     one.Fields.Serial,
			PublicKey:  unhex(t, one.Fields.PublicKey),
		})
		opened := opened(t, one, unhex(t, one.Blob))
		if err != nil || !bytes.Equal(message, opened) || !bytes.HasPrefix(opened, unhex(t, one.Message)) {
			t.Errorf("%s: other bytes", one.Name)
		}
	}
	if accepted == 0 {
		t.Error("no case was tried")
	}
}

func TestWhatIsSealedOpensToItsCode(t *testing.T) {
	one := load[submissionCase](t, "submission.json")[0]
	s := &sealer{version: 7}
	copy(s.key[:], unhex(t, one.Public))
	const till, code = "spiffe://example.org/till", "4000001234567899"
	presented, err := s.seal(till, "netcash", formatsv1.Submission_PURPOSE_REDEEM, code)
	if err != nil {
		t.Fatal(err)
	}
	blob := presented.Form.(*vaultv1.PresentedCode_Sealed).Sealed
	message := opened(t, one, blob)
	found := &formatsv1.Submission{}
	err = proto.Unmarshal(message[:bytes.LastIndexByte(message, 0x80)], found)
	if err != nil || len(found.Codes) != 1 || found.Codes[0] != code || len(found.Nonce) != nonceSize {
		t.Error("what was opened is not what was sealed")
	}
	if len(blob) != 565 || !bytes.Equal(blob[:5], []byte{1, 0, 0, 0, 7}) {
		t.Error("another head or size")
	}
}

func opened(t *testing.T, one submissionCase, blob []byte) []byte {
	t.Helper()
	var private, public [32]byte
	copy(private[:], unhex(t, one.Private))
	copy(public[:], unhex(t, one.Public))
	message, whole := box.OpenAnonymous(nil, blob[5:], &public, &private)
	if !whole {
		t.Fatal("it does not open")
	}
	return message
}
