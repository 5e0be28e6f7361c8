"""The services that FlowSleuth knows by their ports: names to show, and rule 5 of the design.

Rule 5 decides between two ports above 1023 when exactly one of them is listed here. So a port
stands here because servers of that service wait on it, not because it is registered: of the
thousands of registered ports most are seen as clients' ephemeral ports only, and each of those
would turn some client into a server. Ports above 32767 are listed with even more care, since
Linux hands out 32768 to 60999 to clients.

Compiled by hand for this project; numbers and names are facts of the IANA Service Name and
Transport Protocol Port Number Registry (RFC 6335) or, where a product uses a port that it never
registered, of that product's documentation. Ports below 1024 are here for their names only.
docs/services.md is made from this table (`make docs`).
"""

TOPICS: dict[str, str] = {
    "Web": """
        http 80/tcp  https 443/tcp 443/udp  http-alt 8080/tcp  https-alt 8443/tcp
        http-8000 8000/tcp  http-8008 8008/tcp  http-8081 8081/tcp  http-8088 8088/tcp
        http-8888 8888/tcp  https-9443 9443/tcp  https-4443 4443/tcp  squid 3128/tcp  socks 1080/tcp
        tor-or 9001/tcp  tor-socks 9050/tcp  node-http 3000/tcp  flask-http 5000/tcp  ajp13 8009/tcp
        fastcgi 9000/tcp  webmin 10000/tcp  cpanel 2082/tcp  cpanel-tls 2083/tcp  whm 2086/tcp
        whm-tls 2087/tcp  plesk 8880/tcp  tomcat-shutdown 8005/tcp  weblogic 7001/tcp
        weblogic-tls 7002/tcp  websphere 9060/tcp  websphere-tls 9043/tcp
    """,
    "Mail": """
        smtp 25/tcp  submission 587/tcp  submissions 465/tcp  pop3 110/tcp  pop3s 995/tcp
        imap 143/tcp  imaps 993/tcp  sieve 4190/tcp  spamd 783/tcp  rspamd 11334/tcp  dcc 6277/udp
        razor 2703/tcp  pyzor 24441/udp  lmtp 24/tcp
    """,
    "Names, time, addresses": """
        dns 53/tcp 53/udp  dns-tls 853/tcp  dns-quic 853/udp  mdns 5353/udp  llmnr 5355/tcp 5355/udp
        ntp 123/udp  nts-ke 4460/tcp  ptp-event 319/udp  ptp-general 320/udp  time 37/tcp 37/udp
        daytime 13/tcp 13/udp  bootps 67/udp  bootpc 68/udp  dhcpv6-client 546/udp
        dhcpv6-server 547/udp  dhcp-failover 647/tcp  dhcp-failover2 847/tcp  whois 43/tcp
        ssdp 1900/udp  ws-discovery 3702/udp  ws-discovery-http 5357/tcp  slp 427/tcp 427/udp
        nat-pmp 5351/udp  rndc 953/tcp
    """,
    "Files": """
        ftp-data 20/tcp  ftp 21/tcp  ftps-data 989/tcp  ftps 990/tcp  tftp 69/udp
        smb 445/tcp 445/udp  netbios-ns 137/udp  netbios-dgm 138/udp  netbios-ssn 139/tcp
        nfs 2049/tcp 2049/udp  sunrpc 111/tcp 111/udp  rsync 873/tcp  afp 548/tcp  iscsi 3260/tcp
        nbd 10809/tcp  glusterd 24007/tcp  ceph-mon 6789/tcp  ceph-msgr2 3300/tcp
        afs-fileserver 7000/udp  afs-callback 7001/udp  afs-vlserver 7003/udp  lustre 988/tcp
        beegfs-storage 8003/tcp 8003/udp  moosefs 9421/tcp  svn 3690/tcp  git 9418/tcp
        cvspserver 2401/tcp  perforce 1666/tcp  distcc 3632/tcp  syncthing 22000/tcp 22000/udp
        resilio 55555/tcp  ipfs 4001/tcp 4001/udp
    """,
    "Backup": """
        bacula-dir 9101/tcp  bacula-fd 9102/tcp  bacula-sd 9103/tcp  amanda 10080/tcp 10080/udp
        netbackup-pbx 1556/tcp  netbackup-vnetd 13724/tcp  netbackup-bprd 13720/tcp
        netbackup-bpcd 13782/tcp  commvault 8400/tcp  veeam 9392/tcp  veeam-data 2500/tcp
        tivoli-sm 1500/tcp  networker 7937/tcp  proxmox-backup 8007/tcp  urbackup 55414/tcp
        backup-exec 6101/tcp
    """,
    "Remote access": """
        ssh 22/tcp  ssh-alt 2222/tcp  telnet 23/tcp  telnets 992/tcp  rlogin 513/tcp  rsh 514/tcp
        rdp 3389/tcp 3389/udp  rfb 5900/tcp  rfb-1 5901/tcp  rfb-2 5902/tcp  rfb-http 5800/tcp
        x11 6000/tcp  x11-1 6001/tcp  winrm 5985/tcp  winrm-tls 5986/tcp
        teamviewer 5938/tcp 5938/udp  anydesk 7070/tcp  anydesk-discovery 50001/udp
        rustdesk 21116/tcp 21116/udp  rustdesk-relay 21117/tcp  citrix-ica 1494/tcp 1494/udp
        citrix-cgp 2598/tcp 2598/udp  pcoip 4172/tcp 4172/udp  vmware-blast 22443/tcp 22443/udp
        nomachine 4000/tcp 4000/udp  spice 5930/tcp  mosh 60001/udp  dameware 6129/tcp
        radmin 4899/tcp  guacd 4822/tcp
    """,
    "Tunnels": """
        isakmp 500/udp  ipsec-nat-t 4500/udp  openvpn 1194/tcp 1194/udp  wireguard 51820/udp
        l2tp 1701/udp  pptp 1723/tcp  vxlan 4789/udp  vxlan-linux 8472/udp  geneve 6081/udp
        teredo 3544/udp  gtp-c 2123/udp  gtp-u 2152/udp  gtp-prime 3386/udp  tailscale 41641/udp
        zerotier 9993/udp  nebula 4242/udp  softether 5555/tcp  capwap-control 5246/udp
        capwap-data 5247/udp  lwapp-data 12222/udp  lwapp-control 12223/udp  mpls-in-udp 6635/udp
        gue 6080/udp  globalprotect 4501/udp
    """,
    "Databases": """
        ms-sql 1433/tcp  ms-sql-browser 1434/udp  oracle 1521/tcp  oracle-tls 2484/tcp
        oracle-em 1158/tcp  mysql 3306/tcp  mysqlx 33060/tcp  galera 4567/tcp 4567/udp
        galera-ist 4568/tcp  galera-sst 4444/tcp  postgresql 5432/tcp  pgbouncer 6432/tcp
        db2 50000/tcp  informix 9088/tcp  firebird 3050/tcp  interbase-alt 3051/tcp  hana 30015/tcp
        teradata 1025/tcp  vertica 5433/tcp  mongodb 27017/tcp  mongodb-shard 27018/tcp
        mongodb-config 27019/tcp  redis 6379/tcp  redis-bus 16379/tcp  redis-sentinel 26379/tcp
        memcached 11211/tcp 11211/udp  cassandra 9042/tcp  cassandra-gossip 7000/tcp
        cassandra-thrift 9160/tcp  couchdb 5984/tcp  couchbase 11210/tcp  couchbase-admin 8091/tcp
        elasticsearch 9200/tcp  elasticsearch-peer 9300/tcp  kibana 5601/tcp  solr 8983/tcp
        sphinx 9312/tcp  clickhouse 8123/tcp  influxdb 8086/tcp  influxdb3 8181/tcp
        opentsdb 4242/tcp  neo4j 7687/tcp  neo4j-http 7474/tcp  rethinkdb 28015/tcp
        arangodb 8529/tcp  orientdb 2424/tcp  cockroachdb 26257/tcp  tikv 20160/tcp  riak 8087/tcp
        hazelcast 5701/tcp  etcd 2379/tcp  etcd-peer 2380/tcp  foundationdb 4689/tcp
        qdrant 6333/tcp  milvus 19530/tcp
    """,
    "Messages and queues": """
        mqtt 1883/tcp  mqtts 8883/tcp  amqp 5672/tcp  amqps 5671/tcp  rabbitmq-admin 15672/tcp
        rabbitmq-cluster 25672/tcp  epmd 4369/tcp  kafka 9092/tcp  kafka-tls 9093/tcp
        zookeeper 2181/tcp  zookeeper-peer 2888/tcp  zookeeper-election 3888/tcp  nats 4222/tcp
        nats-cluster 6222/tcp  activemq 61616/tcp  stomp 61613/tcp  pulsar 6650/tcp  nsq 4150/tcp
        ibm-mq 1414/tcp  coap 5683/udp  coaps 5684/udp  lorawan 1700/udp  zeromq 5556/tcp
        xmpp-client 5222/tcp  xmpp-server 5269/tcp  xmpp-tls 5223/tcp  xmpp-bosh 5280/tcp
        irc 6667/tcp  ircs 6697/tcp  irc-1 6668/tcp  matrix-federation 8448/tcp  whatsapp 5242/tcp
        google-push 5228/tcp  gearman 4730/tcp  beanstalkd 11300/tcp
    """,
    "Voice and video": """
        sip 5060/tcp 5060/udp  sips 5061/tcp  h323-q931 1720/tcp  h323-ras 1719/udp  rtp 5004/udp
        rtcp 5005/udp  mgcp-gateway 2427/udp  mgcp-agent 2727/udp  sccp 2000/tcp  sccp-tls 2443/tcp
        iax 4569/udp  stun 3478/tcp 3478/udp  stuns 5349/tcp 5349/udp  teams-media 3479/udp
        teams-video 3480/udp  teams-sharing 3481/udp  zoom 8801/tcp 8801/udp  webex 9000/udp
        meet-media 19305/udp  stun-google 19302/udp  jitsi 10000/udp  asterisk-ami 5038/tcp
        rtsp 554/tcp 554/udp  rtsp-alt 8554/tcp  rtmp 1935/tcp  megaco 2944/udp
        mumble 64738/tcp 64738/udp  teamspeak 9987/udp  teamspeak-files 30033/tcp
        freeswitch 8021/tcp  dante 4440/udp  ndi 5960/tcp  onvif 8899/tcp  dahua 37777/tcp
        hikvision 8200/tcp
    """,
    "Directories and sign-on": """
        kerberos 88/tcp 88/udp  kpasswd 464/tcp 464/udp  kerberos-adm 749/tcp  ldap 389/tcp 389/udp
        ldaps 636/tcp  ldap-gc 3268/tcp  ldaps-gc 3269/tcp  ms-rpc 135/tcp  adws 9389/tcp
        tacacs 49/tcp  radius 1812/udp  radius-acct 1813/udp  radius-old 1645/udp
        radius-acct-old 1646/udp  radius-coa 3799/udp  radsec 2083/udp  diameter 3868/tcp
        diameter-tls 5658/tcp  ident 113/tcp  wins 1512/tcp
    """,
    "Network management and monitoring": """
        snmp 161/udp  snmp-trap 162/udp  snmp-tls 10161/tcp  syslog 514/udp  syslog-tls 6514/tcp
        syslog-tcp 601/tcp  netconf 830/tcp  openflow 6653/tcp  openflow-old 6633/tcp
        netflow 2055/udp  netflow-9995 9995/udp  netflow-9996 9996/udp  ipfix 4739/tcp 4739/udp
        ipfix-tls 4740/tcp  sflow 6343/udp  grpc-telemetry 57400/tcp  gnmi 9339/tcp
        twamp 862/tcp 862/udp  iperf3 5201/tcp 5201/udp  iperf2 5001/tcp 5001/udp
        zabbix-agent 10050/tcp  zabbix-server 10051/tcp  nrpe 5666/tcp  nsca 5667/tcp
        checkmk 6556/tcp  munin 4949/tcp  collectd 25826/udp  statsd 8125/udp
        graphite 2003/tcp 2003/udp  graphite-pickle 2004/tcp  prometheus 9090/tcp
        pushgateway 9091/tcp  netdata 19999/tcp  graylog 12201/udp  beats 5044/tcp
        fluentd 24224/tcp 24224/udp  splunk 9997/tcp  splunk-mgmt 8089/tcp  otlp-grpc 4317/tcp
        otlp-http 4318/tcp  jaeger 14268/tcp  zipkin 9411/tcp  loki 3100/tcp  ipmi 623/udp
        ilo-console 17990/tcp  apc-ups 3052/tcp 3052/udp  nut 3493/tcp  wazuh 1514/tcp 1514/udp
        wazuh-enrol 1515/tcp  amt 16992/tcp  amt-tls 16993/tcp  unifi-discovery 10001/udp
        winbox 8291/tcp  mikrotik-api 8728/tcp  mikrotik-api-tls 8729/tcp
        mikrotik-discovery 5678/udp  tr069 7547/tcp  pan-mgmt 3978/tcp  fortimanager 541/tcp
        fortigate-fgfm 8013/tcp  checkpoint-log 257/tcp
    """,
    "Routing and high availability": """
        bgp 179/tcp  ldp 646/tcp 646/udp  rip 520/udp  ripng 521/udp  bfd-control 3784/udp
        bfd-echo 3785/udp  bfd-multihop 4784/udp  hsrp 1985/udp  hsrpv6 2029/udp  glbp 3222/udp
        rpki-rtr 323/tcp  rpki-rtr-alt 8282/tcp  msdp 639/tcp  pcep 4189/tcp  heartbeat 694/udp
        corosync 5405/udp  pacemaker 3121/tcp  drbd 7788/tcp  conntrackd 3780/udp  olsr 698/udp
        babel 6696/udp
    """,
    "Virtual machines and containers": """
        proxmox 8006/tcp  vmware-auth 902/tcp 902/udp  vsan 2233/tcp  vcenter-vami 5480/tcp
        libvirt 16509/tcp  libvirt-tls 16514/tcp  libvirt-migrate 49152/tcp  hyper-v 2179/tcp
        hyper-v-migrate 6600/tcp  docker 2375/tcp  docker-tls 2376/tcp  swarm 2377/tcp
        swarm-gossip 7946/tcp 7946/udp  kubernetes-api 6443/tcp  kubelet 10250/tcp
        kube-scheduler 10259/tcp  kube-controller 10257/tcp  kubelet-read 10255/tcp
        kube-proxy 10256/tcp  calico-typha 5473/tcp  cilium-health 4240/tcp  consul 8500/tcp
        consul-rpc 8300/tcp  consul-gossip 8301/tcp 8301/udp  nomad 4646/tcp
        openstack-nova 8774/tcp  openstack-keystone 35357/tcp  openstack-neutron 9696/tcp
        openstack-glance 9292/tcp  openstack-cinder 8776/tcp  nutanix 9440/tcp
    """,
    "Automation, builds, big data": """
        puppet 8140/tcp  salt-publish 4505/tcp  salt-return 4506/tcp  gerrit 29418/tcp
        hdfs-namenode 8020/tcp  hdfs-datanode 9866/tcp  hdfs-namenode-http 9870/tcp
        hdfs-datanode-old 50010/tcp  yarn 8032/tcp  hive-metastore 9083/tcp  hbase 16020/tcp
        hbase-master 16000/tcp  spark 7077/tcp  spark-ui 4040/tcp  impala 21050/tcp  flink 6123/tcp
        dask 8786/tcp  slurm 6817/tcp  slurmd 6818/tcp  slurmdbd 6819/tcp  pbs 15001/tcp
        jupyter-hub 8001/tcp  nfs-rdma 20049/tcp  roce 4791/udp  sccm 10123/tcp  wsus 8530/tcp
        wsus-tls 8531/tcp  delivery-optimization 7680/tcp  apt-cacher 3142/tcp
        steam-remote-play 27036/tcp 27036/udp
    """,
    "Printing, offices, payments": """
        ipp 631/tcp 631/udp  lpd 515/tcp  jetdirect 9100/tcp  sap-dispatcher 3200/tcp
        sap-message 3600/tcp  sap-router 3299/tcp  lotus-notes 1352/tcp  groupwise 1677/tcp
        hl7-mllp 2575/tcp  dicom 11112/tcp  dicom-old 104/tcp  filemaker 5003/tcp  navision 7046/tcp
        flexlm 27000/tcp  hasp 1947/tcp 1947/udp  scan-wsd 5358/tcp
    """,
    "Buildings and machines": """
        modbus 502/tcp  modbus-tls 802/tcp  bacnet 47808/udp  bacnet-sc 47808/tcp  s7comm 102/tcp
        ethernet-ip 44818/tcp 44818/udp  ethernet-ip-io 2222/udp  opc-ua 4840/tcp
        dnp3 20000/tcp 20000/udp  iec-104 2404/tcp  knx 3671/tcp 3671/udp  profinet 34964/udp
        fox 1911/tcp  foxs 4911/tcp  codesys 11740/tcp  ads-twincat 48898/tcp
        omron-fins 9600/tcp 9600/udp  melsec 5007/tcp  hart-ip 5094/tcp 5094/udp  plex 32400/tcp
        emby 8096/tcp  jellyfin 8920/tcp  sonos 1400/tcp  kodi 9777/udp  hue-stream 2100/udp
    """,
    "Games and file sharing": """
        minecraft 25565/tcp  minecraft-bedrock 19132/udp  source-engine 27015/tcp 27015/udp
        steam 27031/udp  quake3 27960/udp  unreal 7777/udp  battle-net 3724/tcp  warcraft3 6112/tcp
        xbox-live 3074/tcp 3074/udp  arma 2302/udp  factorio 34197/udp  terraria 7777/tcp
        valheim 2456/udp  rust-game 28015/udp  openttd 3979/tcp 3979/udp
        bittorrent 6881/tcp 6881/udp  bittorrent-dht 6882/udp  transmission 51413/tcp 51413/udp
        edonkey 4662/tcp  emule 4672/udp  gnutella 6346/tcp 6346/udp  kazaa 1214/tcp
        direct-connect 411/tcp  soulseek 2234/tcp  bitcoin 8333/tcp  bitcoin-test 18333/tcp
        ethereum 30303/tcp 30303/udp  monero 18080/tcp  stratum 3333/tcp  litecoin 9333/tcp
    """,
    "Old and often abused": """
        echo 7/tcp 7/udp  discard 9/tcp 9/udp  qotd 17/udp  chargen 19/tcp 19/udp  finger 79/tcp
        gopher 70/tcp  nntp 119/tcp  nntps 563/tcp  exec 512/tcp  talk 517/udp  uucp 540/tcp
        back-orifice 31337/tcp 31337/udp  sub-seven 27374/tcp  traceroute 33434/udp  arms 3283/udp
    """,
}
"""Topic -> `name port/protocol [port/protocol ...]`, repeated."""
