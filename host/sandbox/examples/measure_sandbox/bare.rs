//! The benchmarks' guest as it would run without Longhaul: on WASI's own files, without limits and without a record, and
//! set up for speed: its file operations are done at once on its own thread, as ours are, and not handed to another.

use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, ResourceTable, Val};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

/// The same component on WASI's own files, without limits and without a record.
pub(crate) struct Bare {
    engine: Engine,
    component: Component,
    linker: Linker<BareState>,
}

struct BareState {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for BareState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl Bare {
    pub(crate) fn new(component: &[u8]) -> Self {
        let engine = Engine::new(Config::new().wasm_component_model(true)).unwrap();
        let component = Component::new(&engine, component).unwrap();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        no_host(&mut linker, &engine, &component);
        Self { engine, component, linker }
    }

    /// Calls the guest on a folder of the machine; gives the time of the call alone.
    pub(crate) async fn run(&self, folder: &Path, input: &Value) -> Duration {
        std::fs::create_dir_all(folder).unwrap();
        let wasi = WasiCtx::builder()
            .allow_blocking_current_thread(true)
            .preopened_dir(folder, "/", FsPerms::ReadWrite)
            .unwrap()
            .build();
        let mut store = Store::new(&self.engine, BareState { wasi, table: ResourceTable::new() });
        let instance = self.linker.instantiate_async(&mut store, &self.component).await.unwrap();
        let interface = instance.get_export_index(&mut store, None, "longhaul:plugin/work@0.1.0").unwrap();
        let run = instance.get_export_index(&mut store, Some(&interface), "run").unwrap();
        let run = instance.get_func(&mut store, run).unwrap();
        let text = |text: &str| wasmtime::component::Val::String(text.to_owned());
        let field = |name: &str, value| (name.to_owned(), value);
        let task = Val::Record(vec![
            field("run", text("bench")),
            field("workflow", text("bench")),
            field("objective", text("")),
            field("id", text("bench")),
            field("agent", text("bench")),
            field("attempt", Val::U32(1)),
            field("input", text(&input.to_string())),
            field("config", text("{}")),
            field("state", Val::Option(None)),
            field("time-limit", Val::U64(60_000)),
        ]);
        let mut results = [Val::Bool(false)];
        let began = Instant::now();
        run.call_async(&mut store, &[task], &mut results).await.unwrap();
        let time = began.elapsed();
        assert!(matches!(&results[0], Val::Result(Ok(_))), "{results:?}");
        time
    }
}

/// Links the functions of `longhaul:plugin`, which the guest imports and does not call in what is measured. They are
/// named one by one: `define_unknown_imports_as_traps` would also replace WASI's functions, whose version in the guest is not
/// the very one in the linker.
fn no_host(linker: &mut Linker<BareState>, engine: &Engine, component: &Component) {
    for (interface, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(functions) = import.ty else { continue };
        if !interface.starts_with("longhaul:plugin/") {
            continue;
        }
        let mut instance = linker.instance(interface).unwrap();
        for (name, export) in functions.exports(engine) {
            if matches!(export.ty, ComponentItem::ComponentFunc(_)) {
                instance.func_new(name, |_, _, _, _| Err(wasmtime::format_err!("there is no host here"))).unwrap();
            }
        }
    }
}
