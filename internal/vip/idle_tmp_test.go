package vip
import ("testing";"time";"golang.org/x/sys/unix")
func TestIdleTmp(t *testing.T){ if !inside(t){return}
 w:=newWorld(t); f:=w.front("ld0"); w.there("ip addr add 192.0.2.100/24 dev ld1")
 cpu:=func() time.Duration{var a unix.Rusage; unix.Getrusage(unix.RUSAGE_SELF,&a); return time.Duration(a.Utime.Nano()+a.Stime.Nano())}
 a:=cpu(); time.Sleep(8*time.Second); t.Logf("cpu front idle %v in 8s", cpu()-a)
 n:=200; b:=time.Now(); for range n { if r,err:=f.Probe(t.Context(),Query{Address:addr("192.0.2.100"),Count:3,Gap:time.Second}); err!=nil||len(r.Holders)==0 {t.Fatal(r,err)}}; t.Logf("cpu-ish held probe mean %v", time.Since(b)/time.Duration(n))
 b=time.Now(); for range n { f.Announce(addr("192.0.2.101")) }; t.Logf("cpu-ish announce mean %v", time.Since(b)/time.Duration(n))
}
