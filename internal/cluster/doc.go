// Package cluster is the core: it decides which node serves which resource
// group, and says why. It is pure and deterministic. It is told what happened
// and what time it is, and returns what it wants done; it owns no socket, no
// process, no timer and no log. So a whole cluster runs in one test, on a
// virtual clock, and each bad night can be played again.
//
// Every input takes the same three steps:
//
//	absorb   the input becomes facts         membership.go, lease.go, resource.go, takeover.go, ...
//	decide   the facts become decisions      judge: entitle, heal, place, advance, announce
//	speak    a heartbeat, if it is due       speak.go
//
// Deciding again at once yields nothing new. Heartbeats say everything each
// time, so loss, repetition and reordering do no harm.
//
// What one node does with one group:
//
//	            claim stands, offer, or S1-S6          all runs, lease granted
//	stopped ───────────────────────────▶ starting ───────────────────────────▶ running
//	   ▲                                  │  ▲                                 │  │  │
//	   │                     start failed │  │ may answer again     warm move  │  │  │ entitlement ended
//	   │                                  ▼  │                                 ▼  │  ▼
//	   └────── all stopped ──────────── stopping ◀──── peer answers ──────── quiet│ mute
//	                                      │ a stop failed                         │
//	                                      ▼                                       │
//	                                    blocked            move, yield: stopping ◀┘
//
// The table of transitions is in state.go. Who may serve, and until when, is the
// subject of lease.go (rules O1 to O5, K3), takeover.go (S1 to S6, C1, C2, M1)
// and heal.go (H1, H2, O6); the rules are written down in docs/protocol.md.
package cluster
