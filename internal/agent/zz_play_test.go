package agent
import ("testing";"context";"fmt";"os";"time";"lubdub/internal/cluster")
func TestPlay(t *testing.T){
 conf:=os.Getenv("CONF"); if conf=="" {t.Skip()}
 r:=&Runner{Node:"a"}
 if os.Getenv("NOWRAP")!="" { r.ResourceDir="/nonexistent"; r.InitDir="/nonexistent"}
 for _,a:=range []cluster.Action{"monitor","start","monitor","start","stop","monitor"} {
  q:=Request{Resource:cluster.Resource{Name:"apache",Type:"apache",Args:[]string{conf},Interval:10*time.Second},Group:"web",Action:a,Timeout:8*time.Second}
  o:=r.Run(context.Background(),q)
  fmt.Printf("%-8s %d %v\n   %s\n", a,o.Result,o.Took,o.Words)
  for _,l:=range o.Lines {fmt.Println("      |",l)}
 }
}
