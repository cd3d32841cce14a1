//! What kube-proxy does: it leads each connection to the address of a Service to one of its endpoints. It follows
//! EndpointSlices with a delay, as a real one does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use super::client::{Client, RUNTIME, text};

/// The address of the API server inside the cluster.
const API: &str = "10.0.0.1:443";

/// The proxy. It ends with this value.
pub struct ServiceProxy {
    shared: Arc<Shared>,
    _tasks: [Task; 2],
}

struct Shared {
    /// Whether everything sent to Services is lost.
    swallows: AtomicBool,
    next: AtomicUsize,
    endpoints: Mutex<BTreeMap<SocketAddr, Vec<SocketAddr>>>,
}

impl ServiceProxy {
    /// Starts it. It looks at Services and endpoints once in each `lag`; the API server listens on loopback.
    pub fn start(client: Client, server_port: u16, lag: Duration) -> Self {
        let shared = Arc::new(Shared {
            swallows: AtomicBool::new(false),
            next: AtomicUsize::new(0),
            endpoints: Mutex::default(),
        });
        let server = SocketAddr::from(([127, 0, 0, 1], server_port));
        let to_server = RUNTIME.spawn(async move {
            let listener = TcpListener::bind(API)
                .await
                .expect("run tests/cluster/rehearsal/run: Services have no address here");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    if let Some(onward) = connected(server).await {
                        relay(stream, onward, None).await;
                    }
                });
            }
        });
        let following = RUNTIME.spawn(follow(client, Arc::clone(&shared), lag));
        Self { shared, _tasks: [to_server, following].map(Task) }
    }

    /// From now on, whatever is sent to a Service is lost, on open connections, too; or no longer.
    pub fn swallow(&self, swallows: bool) {
        self.shared.swallows.store(swallows, Ordering::Relaxed);
    }
}

/// A task that ends with this value. A listener that outlives its proxy would keep the address, which the Service of
/// another cluster may get, and lead to Pods that are gone.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Keeps the table of endpoints, and a listener for each address that has some: others refuse connections.
async fn follow(client: Client, shared: Arc<Shared>, lag: Duration) {
    let mut listeners: BTreeMap<SocketAddr, Task> = BTreeMap::new();
    loop {
        // Without an answer, what was known stays.
        if let Some(table) = table(&client).await {
            listeners.retain(|address, _| table.get(address).is_some_and(|endpoints| !endpoints.is_empty()));
            *shared.endpoints.lock().unwrap() = table.clone();
            for (address, _) in table.iter().filter(|(_, endpoints)| !endpoints.is_empty()) {
                if listeners.contains_key(address) {
                    continue;
                }
                match listen(*address) {
                    Ok(listener) => {
                        let serving = tokio::spawn(serve(listener, *address, Arc::clone(&shared)));
                        listeners.insert(*address, Task(serving));
                    }
                    Err(error) => println!("  no Service at {address}: {error}"),
                }
            }
        }
        tokio::time::sleep(lag).await;
    }
}

/// The endpoints of each address of a Service, as the API server has them.
async fn table(client: &Client) -> Option<BTreeMap<SocketAddr, Vec<SocketAddr>>> {
    let list = async |path: &str| {
        let answer =
            client.send("GET", path, &Value::Null).await.ok().filter(super::client::Answer::succeeded)?;
        answer.body["items"].as_array().cloned()
    };
    let services = list("/api/v1/services").await?;
    let slices = list("/apis/discovery.k8s.io/v1/endpointslices").await?;
    let mut table = BTreeMap::new();
    for service in services.iter().filter(|service| text(service, "/metadata/name") != "kubernetes") {
        let of = |slice: &&Value| {
            text(slice, "/metadata/namespace") == text(service, "/metadata/namespace")
                && slice["metadata"]["labels"]["kubernetes.io/service-name"] == service["metadata"]["name"]
        };
        for port in service["spec"]["ports"].as_array().into_iter().flatten() {
            let address = format!("{}:{}", text(service, "/spec/clusterIP"), port["port"]);
            let Ok(address) = address.parse::<SocketAddr>() else { continue };
            let endpoints = |condition: &str| -> Vec<SocketAddr> {
                let slices = slices.iter().filter(of);
                slices.flat_map(|slice| of_slice(slice, &port["name"], condition)).collect()
            };
            let ready = endpoints("ready");
            // As kube-proxy does: those that are about to end, rather than none.
            let chosen = if ready.is_empty() { endpoints("serving") } else { ready };
            table.insert(address, chosen);
        }
    }
    Some(table)
}

fn of_slice(slice: &Value, port: &Value, condition: &str) -> Vec<SocketAddr> {
    let named = |one: &&Value| one["name"] == *port || (one["name"] == "" && port.is_null());
    let Some(port) = slice["ports"].as_array().and_then(|ports| ports.iter().find(named)) else {
        return Vec::new();
    };
    let endpoints = slice["endpoints"].as_array().into_iter().flatten();
    let fine = endpoints.filter(|endpoint| endpoint["conditions"][condition] == true);
    fine.filter_map(|endpoint| format!("{}:{}", text(endpoint, "/addresses/0"), port["port"]).parse().ok())
        .collect()
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}

async fn serve(listener: TcpListener, address: SocketAddr, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let endpoint = {
                let table = shared.endpoints.lock().unwrap();
                let endpoints = table.get(&address).map(Vec::as_slice).unwrap_or_default();
                let number = shared.next.fetch_add(1, Ordering::Relaxed);
                endpoints.get(number.checked_rem(endpoints.len()).unwrap_or_default()).copied()
            };
            while shared.swallows.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let onward = match endpoint {
                Some(endpoint) => connected(endpoint).await,
                None => None,
            };
            match onward {
                Some(onward) => relay(stream, onward, Some(&shared.swallows)).await,
                // Nobody is there: the client learns it at once.
                None => drop(stream.set_zero_linger()),
            }
        });
    }
}

async fn connected(address: SocketAddr) -> Option<TcpStream> {
    let connecting = TcpStream::connect(address);
    tokio::time::timeout(Duration::from_secs(60), connecting).await.ok()?.ok()
}

/// Sends on what comes from either side until both have ended.
async fn relay(client: TcpStream, server: TcpStream, swallows: Option<&AtomicBool>) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let pump = async |from: &mut tokio::net::tcp::OwnedReadHalf, to: &mut tokio::net::tcp::OwnedWriteHalf| {
        let mut part = vec![0; 16 << 10];
        loop {
            let length = from.read(&mut part).await.unwrap_or_default();
            if swallows.is_some_and(|swallows| swallows.load(Ordering::Relaxed)) {
                // Lost packets are sent again once the network is back; until then there is silence.
                while swallows.is_some_and(|swallows| swallows.load(Ordering::Relaxed)) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            if length == 0 || to.write_all(&part[..length]).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(pump(&mut from_client, &mut to_server), pump(&mut from_server, &mut to_client));
}
