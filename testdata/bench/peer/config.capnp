# The peer: the same routes as Durable Objects in JavaScript, served by plain workerd.
#
#   workerd serve -ddo=/absolute/data/dir -s http=127.0.0.1:8787 config.capnp config
#
# "pinned" in the place of "config" keeps idle objects in memory; workerd evicts them after ten seconds otherwise.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [ (name = "main", worker = .evicting), .storage ],
  sockets = [ .socket ],
);

const pinned :Workerd.Config = (
  services = [ (name = "main", worker = .keeping), .storage ],
  sockets = [ .socket ],
);

const storage :Workerd.Service =
  (name = "do", disk = (path = "/give-the-directory-with--ddo", writable = true));

const socket :Workerd.Socket =
  (name = "http", address = "127.0.0.1:8787", http = (), service = "main");

const evicting :Workerd.Worker = (
  modules = [ (name = "worker.mjs", esModule = embed "worker.mjs") ],
  compatibilityDate = "2026-11-17",
  durableObjectNamespaces = [
    (className = "Limiter", uniqueKey = "bench-limiter", enableSql = true),
    (className = "Counter", uniqueKey = "bench-counter", enableSql = true),
    (className = "Room", uniqueKey = "bench-room", enableSql = true),
    (className = "Rate", uniqueKey = "bench-rate", enableSql = true),
    (className = "Chat", uniqueKey = "bench-chat", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "do"),
  bindings = .bindings,
);

const keeping :Workerd.Worker = (
  modules = [ (name = "worker.mjs", esModule = embed "worker.mjs") ],
  compatibilityDate = "2026-11-17",
  durableObjectNamespaces = [
    (className = "Limiter", uniqueKey = "bench-limiter", enableSql = true, preventEviction = true),
    (className = "Counter", uniqueKey = "bench-counter", enableSql = true, preventEviction = true),
    (className = "Room", uniqueKey = "bench-room", enableSql = true, preventEviction = true),
    (className = "Rate", uniqueKey = "bench-rate", enableSql = true, preventEviction = true),
    (className = "Chat", uniqueKey = "bench-chat", enableSql = true, preventEviction = true),
  ],
  durableObjectStorage = (localDisk = "do"),
  bindings = .bindings,
);

const bindings :List(Workerd.Worker.Binding) = [
  (name = "LIMITER", durableObjectNamespace = "Limiter"),
  (name = "COUNTER", durableObjectNamespace = "Counter"),
  (name = "ROOM", durableObjectNamespace = "Room"),
  (name = "RATE", durableObjectNamespace = "Rate"),
  (name = "CHAT", durableObjectNamespace = "Chat"),
];
