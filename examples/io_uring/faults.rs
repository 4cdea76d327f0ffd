//! Proves that the echo survives every fault at every operation: see `../tests/support/run.rs`.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::task::Poll;

use compio::buf::{BufResult, IoBuf, IoBufMut};
use compio::io::{AsyncRead, AsyncWrite};
use compio::runtime::Runtime;

#[path = "../tests/support/line.rs"]
#[allow(dead_code)]
mod line;
#[path = "../tests/support/peer.rs"]
#[allow(dead_code)]
mod peer;
#[path = "../tests/support/run.rs"]
mod run;

use line::{End, Fault, Line};
use peer::{Peer, TALKS, Talk};
use run::{Log, Run, each_fault, each_pair};

/// Calls until the operation is complete.
async fn complete<T>(
    end: &End,
    mut call: impl FnMut(&mut Line) -> io::Result<Option<T>>,
) -> io::Result<T> {
    poll_fn(|cx| {
        let mut line = end.line();
        match call(&mut line) {
            Ok(Some(done)) => return Poll::Ready(Ok(done)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => cx.waker().wake_by_ref(),
            Err(error) => return Poll::Ready(Err(error)),
            Ok(None) => line.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    })
    .await
}

impl AsyncRead for &End {
    async fn read<B: IoBufMut>(&mut self, mut buffer: B) -> BufResult<usize, B> {
        let mut room = vec![0; buffer.buf_capacity()];
        match complete(self, |line| line.read(&mut room)).await {
            Ok(n) => (&room[..n]).read(buffer).await,
            Err(error) => BufResult(Err(error), buffer),
        }
    }
}

impl AsyncWrite for &End {
    async fn write<B: IoBuf>(&mut self, bytes: B) -> BufResult<usize, B> {
        let n = complete(self, |line| line.write(bytes.as_init()).map(Some)).await;
        BufResult(n, bytes)
    }

    async fn flush(&mut self) -> io::Result<()> {
        complete(self, |line| line.flush().map(Some)).await
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        // shutdown(2) is never interrupted.
        complete(self, |line| match line.shutdown() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                Err(ErrorKind::WouldBlock.into())
            }
            result => result.map(Some),
        })
        .await
    }
}

#[test]
fn each_fault_at_each_operation() {
    let runtime = Runtime::new().unwrap();
    let run = |talk: Talk, plan: &[(usize, Fault)]| -> Run {
        let mut line = Line::new("io_uring", talk, Peer::client(talk), plan);
        line.has_buffer = false;
        let (end, mut log) = (End::new(line), Log::default());
        let result = runtime.block_on(super::serve(end.clone(), talk.config()));
        log.told(&end, &result);
        end.into_run(log, result)
    };
    let huge = run(Talk::Huge, &[]);
    huge.check(&huge);
    for talk in TALKS {
        let runs = each_fault(|plan| run(talk, plan));
        assert!(runs > 40, "{runs}");
    }
    let runs = each_pair(|plan| run(Talk::Tiny, plan));
    assert!(runs > 500, "{runs}");
}
