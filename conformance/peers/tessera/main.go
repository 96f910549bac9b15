// Tessera's fsck against a node: it fetches every bundle of entries and every tile, rebuilds the tree from the entries, and
// compares each tile and the root of the checkpoint. Nothing of Waybill is in it.
//
//	go build -mod=mod -o check . && ./check https://127.0.0.1:7104/ VKEY CA [CERT KEY]
//
// VKEY is the `log` line of the policy for the node that is asked; CERT and KEY are of an auditor.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	args := os.Args[1:]
	if len(args) != 3 && len(args) != 5 {
		check(fmt.Errorf("check URL VKEY CA [CERT KEY]"))
	}
	pem, err := os.ReadFile(args[2])
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: roots}
	if len(args) == 5 {
		pair, err := tls.LoadX509KeyPair(args[3], args[4])
		check(err)
		config.Certificates = []tls.Certificate{pair}
	}
	caller := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: config}}
	root, err := url.Parse(args[0])
	check(err)
	fetcher, err := client.NewHTTPFetcher(root, caller)
	check(err)
	verifier, err := note.NewVerifier(args[1])
	check(err)
	hasher := func(bundle []byte) ([][]byte, error) {
		var entries api.EntryBundle
		if err := entries.UnmarshalText(bundle); err != nil {
			return nil, err
		}
		var hashes [][]byte
		for _, entry := range entries.Entries {
			hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
		}
		return hashes, nil
	}
	check(fsck.New(verifier.Name(), verifier, fetcher, hasher, fsck.Opts{N: 4}).Check(context.Background()))
	fmt.Println("fsck: every entry, tile and the checkpoint agree")
}
