//! How kubectl reads files.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::Case;
use crate::harness::{ApiServer, Kubectl, wait_until};

pub const API_VERSION: &str = "reading.stategate.io/v1";
pub const KIND: &str = "Reading";

const DEFINITION: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: readings.reading.stategate.io}
spec:
  group: reading.stategate.io
  scope: Cluster
  names: {plural: readings, singular: reading, kind: Reading}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

/// Separates the files of one call, since kubectl does not say which file an object comes from.
const END: &str = "{\"apiVersion\": \"reading.stategate.io/v1\", \"kind\": \"Reading\", \"metadata\": {\"name\": \"end-of-file\"}}";

/// How many files one kubectl call reads.
const BATCH: usize = 24;

/// The result for one file.
#[derive(Clone, Debug)]
pub enum Read {
    /// Its objects; an error for one that this test cannot parse.
    Objects(Vec<Result<Value, String>>),
    Refused(String),
}

pub struct Oracle {
    kubectl: Kubectl,
    end: String,
}

impl Oracle {
    pub fn new(api: &ApiServer) -> Self {
        let kubectl = api.kubectl("admin");
        kubectl.ok(&["create", "--validate=false", "-f", "-"], DEFINITION);
        let served = || kubectl.run(&["get", "readings.reading.stategate.io"], "").succeeded();
        assert!(wait_until(Duration::from_secs(60), served), "the kind is not served");
        let end = api.dir().join("end.json");
        std::fs::write(&end, END).unwrap();
        Self { kubectl, end: end.to_string_lossy().into_owned() }
    }

    /// One result for each file.
    pub fn read(&self, cases: &[Case]) -> Vec<Read> {
        // kubectl does not name the file of an error inside a list, so lists are read one by one.
        let alone = |case: &Case| case.name.starts_with("lists/");
        let batches: Vec<&[Case]> =
            cases.chunk_by(|a, b| !alone(a) && !alone(b)).flat_map(|chunk| chunk.chunks(BATCH)).collect();
        let answers = Mutex::new(vec![Vec::new(); batches.len()]);
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let Some((index, batch)) =
                        Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, batches.get(i)?)))
                    {
                        let read = self.batch(batch);
                        answers.lock().unwrap()[index] = read;
                    }
                });
            }
        });
        answers.into_inner().unwrap().concat()
    }

    fn batch(&self, cases: &[Case]) -> Vec<Read> {
        let mut arguments = vec!["create", "--dry-run=client", "--validate=false", "-o", "json"];
        let paths: Vec<String> = cases.iter().map(|case| case.path.to_string_lossy().into_owned()).collect();
        for path in &paths {
            arguments.extend(["-f", path, "-f", &self.end]);
        }
        let output = self.kubectl.run(&arguments, "");
        assert!(output.code == 0 || output.code == 1, "{output:?}");
        let files = by_file(&output.stdout);
        assert_eq!(files.len(), cases.len(), "{}", output.stderr);
        let errors = |path: &str| {
            let complaints = output.stderr.lines().filter(|line| line.contains(path) || cases.len() == 1);
            complaints.map(str::to_owned).reduce(|all, line| format!("{all}; {line}"))
        };
        paths.iter().zip(files).map(|(path, read)| errors(path).map_or(read, Read::Refused)).collect()
    }
}

/// Splits the output at the end markers. kubectl indents its output, so only the end of an object is a
/// bracket at the beginning of a line.
fn by_file(stdout: &str) -> Vec<Read> {
    let mut files = Vec::new();
    let mut objects = Vec::new();
    for text in stdout.split_inclusive("\n}\n") {
        let object = serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
        match object {
            Ok(object) if object["metadata"]["name"] == "end-of-file" => {
                files.push(Read::Objects(std::mem::take(&mut objects)));
            }
            object => objects.push(object),
        }
    }
    files
}
