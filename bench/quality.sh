#!/bin/bash
# The quality of models on the val splits of ../shared/data, as JSON: bench/quality.sh OUT [--model DIR ...]
# TWINSET names the binary, BASELINES what is measured beside (`none` is quickest), ONLY a part of the list below.
set -u
twinset=${TWINSET:-target/release/twinset}; data=${DATA:-../shared/data}; out=$1; shift
baselines=${BASELINES:-colour_histogram,random_weights,hog,raw_pixels}
mkdir -p "$out"; home=$(mktemp -d); trap 'rm -rf "$home"' EXIT
wanted() { [ -z "${ONLY:-}" ] || [[ " $ONLY " == *" $1 "* ]]; }
retrieval() {
  name=$1; shift
  "$twinset" eval retrieval --json --quiet --home "$home" --per-query "$out/$name.jsonl" --baselines "$baselines" "$@" > "$out/$name.json"
}
mains="--gallery $data/luma_catalogue --gallery $data/venia_catalogue --gallery-view main"
wanted det && "$twinset" eval detection --json --quiet --data "$data/ccp_detection" --split val "$@" > "$out/det.json"
wanted scenes && retrieval scenes --queries "$data/catalogue_scenes" --query-split val $mains --query-box detected "$@"
wanted given && retrieval given --queries "$data/catalogue_scenes" --query-split val $mains --query-box given "$@"
wanted alt && retrieval alt_luma --queries "$data/luma_catalogue" --query-split val $mains --query-box given "$@"
wanted alt && retrieval alt_venia --queries "$data/venia_catalogue" --query-split val $mains --query-box given "$@"
wanted cat && retrieval cat --queries "$data/clothing_photos" --query-split val --leave-one-out --id category --query-box none --no-rerank "$@"
wanted groc && retrieval groc --queries "$data/grocery" --query-split val --gallery "$data/grocery" --gallery-split gallery --query-box none --no-rerank "$@"
wanted groctest && retrieval groctest --queries "$data/grocery" --query-split test --gallery "$data/grocery" --gallery-split train --query-box none --no-rerank "$@"
exit 0
