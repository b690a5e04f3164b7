//! Spans to a collector of OpenTelemetry, as OTLP over HTTP. Only with the feature `otel`; without it the crate is empty
//! (decision 0503).
//!
//! In: the spans of `tracing`, and an environment that names a collector. Out: what the log holds of them (request ids,
//! routes, ids of keys, stages), sent in batches by a thread of its own. Knows nothing of what they mean.
#![cfg(feature = "otel")]

mod collector;

pub use collector::collector;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::time::Duration;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::registry::LookupSpan;

const SERVICE: &str = "twinset";
/// A collector that is slower than this loses spans; nobody waits for it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The environment names a collector that cannot be spoken to.
#[derive(Debug, thiserror::Error)]
#[error("no spans are sent: {0}; OTEL_EXPORTER_OTLP_ENDPOINT is an address such as http://127.0.0.1:4318")]
pub struct TracesError(#[from] ExporterBuildError);

/// Sends what it still holds when it is dropped.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// To the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` names; `None` if
    /// neither does. The other variables of the exporter and of the SDK (`OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER`,
    /// `OTEL_BSP_*`) are heeded, too.
    ///
    /// # Errors
    /// The address cannot be read.
    pub fn start() -> Result<Option<Self>, TracesError> {
        let named = named("OTEL_EXPORTER_OTLP_ENDPOINT") || named("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        if named { Self::to(None).map(Some) } else { Ok(None) }
    }

    /// `address`: of the traces themselves; `None`: as the environment says.
    fn to(address: Option<&str>) -> Result<Self, TracesError> {
        let agent = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
        let mut exporter =
            SpanExporter::builder().with_http().with_http_client(Courier(agent.build().into()));
        if let Some(address) = address {
            exporter = exporter.with_endpoint(address);
        }
        let mut resource = Resource::builder();
        if !named("OTEL_SERVICE_NAME") {
            resource = resource.with_service_name(SERVICE);
        }
        let provider = SdkTracerProvider::builder().with_resource(resource.build());
        Ok(Self(provider.with_batch_exporter(exporter.build()?).build()))
    }

    /// Takes the spans that are told at `info` and above.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let tracer = self.0.tracer(SERVICE);
        tracing_opentelemetry::layer().with_tracer(tracer).with_filter(LevelFilter::INFO)
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // A collector that is gone must not keep the program.
        let _ = self.0.shutdown();
    }
}

fn named(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// Our own client in the place of a second one. It blocks: the exporter has a thread of its own, which may wait.
#[derive(Debug)]
struct Courier(ureq::Agent);

#[async_trait]
impl HttpClient for Courier {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let (head, mut body) = self.0.run(Request::from_parts(head, &body[..]))?.into_parts();
        Ok(Response::from_parts(head, body.read_to_vec()?.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn spans_reach_the_collector_with_what_they_lie_in() {
        let (address, received) = collector().unwrap();
        let traces = Traces::to(Some(&format!("{address}/v1/traces"))).unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(traces.layer()), || {
            let request = tracing::info_span!("request", id = "01J9ZK");
            request.in_scope(|| tracing::info_span!("decode").in_scope(|| tracing::debug_span!("unheard")));
        });
        drop(traces);
        let told: Vec<u8> = received.try_iter().flatten().collect();
        let holds = |what: &str| told.windows(what.len()).any(|part| part == what.as_bytes());
        for what in ["POST /v1/traces HTTP/1.1", "service.name", "twinset", "request", "01J9ZK", "decode"] {
            assert!(holds(what), "{what} is not told");
        }
        assert!(!holds("unheard"));
    }

    #[test]
    fn a_collector_that_is_not_there_keeps_nobody() {
        let traces = Traces::to(Some("http://127.0.0.1:9/v1/traces")).unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(traces.layer()), || {
            drop(tracing::info_span!("lost"));
        });
        drop(traces);
    }
}
