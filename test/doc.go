// Package test tells the stories that matter most on real interfaces: two hosts in network namespaces, the lubdub program
// itself, the real Apache httpd under the real OCF agent, and judges that are not lubdub.
//
// # The judges
//
// Who serves is never taken from lubdub's own word alone. Package lab's prober asks "who has the address?" by raw ARP each
// 10 ms, its client asks by HTTP, and tcpdump records what tshark then reads. The bounds that tests assert are generous, for
// they must hold on a busy machine of two cores; what was measured is in the test's log (go test -v).
//
// # Two forms of stories
//
// Stories about the cluster alone are plain commands in stories/*.txt:
//
//	boot a
//	boot b
//	expect web on a within 20s
//	crash a
//	expect web on b within 5s
//
// Two worlds run each of them: package sim in virtual time, and package lab on real interfaces, some stories at a time. The
// first line, a comment, is the story's title. A line "cluster ping=1 isolated=keep" says what is not as usual. With
// -table what each story came to (who served, for how long nobody, for how long two) is written into docs/safety.md.
// Stories that need the real Apache, or look at what lubdub prints, are Go.
//
// Without root or user namespaces the real half skips and says why; where the variable CI is "true" it fails instead. With
// -short the slow ones skip.
package test
