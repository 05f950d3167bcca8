package agent

import (
	"strings"
	"testing"
)

func TestParameters(t *testing.T) {
	for word, want := range map[string]string{
		"AudibleAlarm::a::b c::d":              "nodelist=a b c d",
		"Delay::5":                             "startdelay=5",
		"Delay::5::6":                          "startdelay=5,stopdelay=6",
		"Delay::5::6::7":                       "Delay has too many arguments (3): write Delay[::STARTDELAY][::STOPDELAY]",
		"Filesystem::/dev/sdb1::/data":         "device=/dev/sdb1,directory=/data",
		"Filesystem::/dev/sdb1::/d::ext4::ro":  "device=/dev/sdb1,directory=/d,fstype=ext4,options=ro",
		"Filesystem::/dev/sdb1::/d::::ro":      "device=/dev/sdb1,directory=/d,options=ro",
		"Filesystem::/dev/sdb1":                "Filesystem has too few arguments (1): write Filesystem::DEVICE::DIRECTORY[::FSTYPE][::OPTIONS]",
		"Filesystem::a::b::c::d::e":            "Filesystem has too many arguments (5): write Filesystem::DEVICE::DIRECTORY[::FSTYPE][::OPTIONS]",
		"ICP::1::/dev/sdb":                     "driveid=1,device=/dev/sdb",
		"IPsrcaddr::192.0.2.100":               "ipaddress=192.0.2.100",
		"LVM::vg0":                             "volgrpname=vg0",
		"LinuxSCSI::0:0:0":                     "scsi=0:0:0",
		"MailTo::root":                         "email=root",
		"MailTo::root::moved":                  "email=root,subject=moved",
		"Raid1::/etc/mdadm.conf::/dev/md0":     "raidconf=/etc/mdadm.conf,raiddev=/dev/md0",
		"Route::10.0.0.0/8::eth0::192.0.2.1":   "destination=10.0.0.0/8,device=eth0,gateway=192.0.2.1",
		"SendArp::192.0.2.100/eth0":            "ip=192.0.2.100,nic=eth0",
		"SendArp::192.0.2.100::eth0":           "SendArp has too many arguments (2): write SendArp::IP/NIC",
		"ServeRAID::1::2":                      "serveraid=1,mergegroup=2",
		"WAS":                                  "",
		"WAS::/opt/was.conf":                   "config=/opt/was.conf",
		"WAS::9080":                            "port=9080",
		"WinPopup::hosts":                      "hostfile=hosts",
		"Xinetd::telnet":                       "service=telnet",
		"apache":                               "",
		"apache::/etc/httpd/conf/httpd.conf":   "configfile=/etc/httpd/conf/httpd.conf",
		"apache::a::b":                         "apache has too many arguments (2): write apache[::CONFIGFILE]",
		"db2::inst1":                           "instance=inst1",
		"drbddisk::r0":                         "drbd_resource=r0",
		"ids::/opt/ifx::srv::onconfig":         "informixdir=/opt/ifx,informixserver=srv,onconfig=onconfig",
		"portblock::tcp::80,443::block":        "protocol=tcp,portno=80,443,action=block",
		"mysql::/etc/my.cnf":                   "the OCF agent mysql takes its parameters by name, not by position: write 'param mysql NAME=VALUE' in lubdub.conf",
		"mysql":                                "",
		"AudibleAlarm::one":                    "nodelist=one",
		"SendArp::192.0.2.100/eth0/more/again": "ip=192.0.2.100,nic=eth0/more/again",
	} {
		args := strings.Split(word, "::")
		params, wrong := parameters(args[0], args[1:])
		got := strings.Join(params, ",")
		if wrong != nil {
			got = wrong.String()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}
