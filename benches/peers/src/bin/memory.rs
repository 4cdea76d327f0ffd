//! Counts the memory of codecs, and allocations a message.
//!
//! It is a program of its own, because an allocator that counts makes those slower that allocate.

use allocation_counter::measure;
use peers::{
    contestants,
    generate::Content,
    tasks::{Receive, Role, Send, Task, receive::Cuts},
    workloads::ABOUT,
};

fn main() {
    println!(
        "new: bytes of a new object and its heap memory, with about 200 bytes of the harness.\n\
         used: the same after some messages, with the buffers as they are left.\n\
         allocations: for each message, once everything is warm.\n\
         What a library in C allocates is not seen.\n"
    );
    for role in Role::BOTH {
        for size in [16, 4096, 65_536] {
            let receive = Receive::equal(ABOUT, role, Content::Ascii, size, Cuts::None);
            let name = format!("receive/{}/ascii/{size}", role.name());
            table(&name, &Task::Receive(receive));
        }
        for size in [16, 4096, 65_536] {
            let name = format!("send/{}/{size}", role.name());
            table(&name, &Task::Send(Send::new(role, size, 1)));
        }
    }
}

fn table(name: &str, task: &Task) {
    println!(
        "{name:<32} {:>10} {:>10} {:>12}",
        "new", "used", "allocations"
    );
    for contestant in contestants::all() {
        for job in (contestant.jobs)(task) {
            let mut work = None;
            let new = measure(|| work = Some((job.start)())).bytes_current;
            let mut work = work.expect("it was made");
            let used = new + measure(|| work(2)).bytes_current;
            const CYCLES: usize = 16;
            let count = measure(|| work(CYCLES)).count_total;
            let each = count as f64 / (CYCLES * job.messages) as f64;
            let (name, variant) = (contestant.name, &job.variant);
            println!("  {name:<30} {new:>10} {used:>10} {each:>12.3}  {variant}");
        }
    }
    println!();
}
