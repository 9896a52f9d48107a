"""Tables as loggers, spreadsheets and services write them: each becomes what a person would read in it, or asks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from gru_viz.errors import SequenceError
from gru_viz.sequences import Sequences, open_table, read_table


class Read(NamedTuple):
    """What a table must become; None where it does not matter."""

    text: str
    values: list[list[float]] | None = None
    features: tuple[str, ...] | None = None
    lengths: tuple[int, ...] | None = None
    time: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    said: tuple[str, ...] = ()
    asked: dict[str, object] = {}  # noqa: RUF012 - never changed


def ramp(rows: str, count: int, start: int = 0) -> str:
    """Lines from a format string with a number in it."""
    return "".join(rows.format(n=n, m=n % 12 + 1, y=1990 + n // 12) for n in range(start, start + count))


def column(first: float, count: int, step: float = 1.0) -> list[list[float]]:
    return [[first + step * n] for n in range(count)]


UNITS = "".join(
    f"{unit} {step} {unit + step / 100:.2f}\n" for unit, n in ((1, 5), (2, 7), (3, 6)) for step in range(1, n + 1)
)
WIDE = "{0}".join(["Place", "Area", *(f"2020-03-{day:02d}" for day in range(1, 7))]) + "\n"
WIDE += "{0}".join(["Oslo", "7", *"123456"]) + "\n" + "{0}".join(["Bergen", "9", *"654321"]) + "\n"
WAVES = np.round(np.sin(np.arange(24) * 0.3 + np.array([[0], [2.2], [4.1], [1.3], [5.5], [3.1], [0.4]])), 3)
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

CASES = {
    # a clock in several columns, whatever its order
    "date and time, newest first": Read(
        "Date;Time;v\n" + "".join(f"{3 - n // 2:02d}.01.2021;{12 - n % 2 * 6:02d}:30;{5 - n}\n" for n in range(6)),
        column(0, 6),
        ("v",),
        time=("2021-01-01 06:30", "2021-01-01 12:30", "2021-01-02 06:30"),
        said=("'Date' and 'Time' were read as one clock", "sorted"),
    ),
    "time before date": Read(
        "Uhrzeit\tDatum\tv\n" + ramp("{n}:00\t05.06.2020\t{n}\n", 5), column(0, 5), ("v",), time=("2020-06-05 00:00",)
    ),
    "broker's bars": Read(
        "<DATE>,<TIME>,<CLOSE>\n" + ramp("20200102,09{n:02d}00,{n}\n", 5),
        column(0, 5),
        time=("2020-01-02 09:00", "2020-01-02 09:01"),
    ),
    "year, month, day": Read("yr,mo,dy,x\n" + ramp("2020,2,{n},{n}\n", 5, 25), column(25, 5), time=("2020-02-25",)),
    "year, day of the year, hour": Read(
        "YEAR DOY HR x\n" + ramp("2020 60 {n} {n}\n", 6), column(0, 6), ("x",), time=("2020-02-29 00:00",)
    ),
    "buoy": Read(
        "#YY  MM DD hh mm WSPD\n#yr  mo dy hr mn m/s\n" + ramp("2021 03 01 05 {n:02d} {n}.5\n", 4),
        column(0.5, 4),
        ("WSPD",),
        time=("2021-03-01 05:00", "2021-03-01 05:01"),
    ),
    "months by name": Read(
        "Year,Month,x\n2019,November,1\n2019,December,2\n2020,January,3\n", column(1, 3), time=("2019-11",)
    ),
    "hours to 24": Read(
        "date,hour,x\n" + ramp("2020-12-31,{n},{n}\n", 3, 22), column(22, 3), time=("2020-12-31 22:00",)
    ),
    "a year and a number without names": Read(
        "".join(f"{1700 + n};{n * 5 % 11 + 1}\n" for n in range(12)), features=("column 1", "column 2"), lengths=(12,)
    ),
    "rainy days are no days of the month": Read(
        "Year,Month,Rain day,x\n" + ramp("{y},{m},{m},{n}\n", 14),
        features=("Rain day", "x"),
        time=("1990-01", "1990-02"),
    ),
    "a clock past midnight, newest first": Read(
        "time,x\n00:01,4\n00:00,3\n23:59,2\n23:58,1\n",
        column(1, 4),
        time=("23:58", "23:59", "00:00 +1 d"),
        said=("sorted",),
    ),
    "a clock past midnight": Read(
        "time,x\n23:58,1\n23:59,2\n00:00,3\n00:01,4\n",
        column(1, 4),
        time=("23:58", "23:59", "00:00 +1 d"),
        said=("midnight",),
    ),
    "calendar columns beside a date stay features": Read(
        "date,hour,x\n2020-01-01 05:00,5,1\n2020-01-01 06:00,6,2\n2020-01-01 07:00,7,3\n", features=("hour", "x")
    ),
    "hours of work are no clock": Read(
        "date,hours,x\n" + ramp("2020-01-{n:02d},7,{n}\n", 4, 1), features=("hours", "x")
    ),
    "sunrise is no clock": Read(
        "date,sunrise,x\n" + ramp("2020-01-{n:02d},08:0{n},{n}\n", 4, 1), time=("2020-01-01", "2020-01-02")
    ),
    # dates and periods
    "quarters": Read(
        "Quarter,GDP\n1999 Q3,1\n1999 Q4,2\n2000 Q1,3\n", column(1, 3), ("GDP",), time=("1999-07", "1999-10")
    ),
    "quarters turned": Read(
        "q;v\nQ3/1999;1\nQ4/1999;2\nQ1/2000;3\n", column(1, 3), ("v",), time=("1999-07", "1999-10")
    ),
    "weeks": Read("w,v\n2020-W01,1\n2020-W02,2\n2020-W03,3\n", column(1, 3), time=("2019-12-30", "2020-01-06")),
    "months of a statistical office": Read("t,v\n2020M11,1\n2020M12,2\n2021M01,3\n", column(1, 3), time=("2020-11",)),
    "months in numbers": Read("t,v\n11/2020,1\n12/2020,2\n01/2021,3\n", column(1, 3), time=("2020-11", "2020-12")),
    "German months": Read(
        "Monat;v\nMärz 2020;1\nApril 2020;2\nMai 2020;3\n", column(1, 3), time=("2020-03", "2020-04")
    ),
    "the day first beside a decimal comma": Read(
        "Fecha;x\n01/02/2020;0,5\n02/02/2020;1,5\n07/02/2020;2,5\n",
        column(0.5, 3),
        time=("2020-02-01",),
        said=("day_first=False",),
    ),
    "the month first where days are even": Read(
        "d,x\n" + ramp("01/{n:02d}/2020,{n}\n", 5, 1) + "01/07/2020,9\n", time=("2020-01-01", "2020-01-02")
    ),
    "laps": Read(
        "lap,time\n7,00:01:30.5\n5,00:01:31.5\n6,00:01:29.5\n", [[7, 90.5], [5, 91.5], [6, 89.5]], said=("durations",)
    ),
    "letters for year, month and day": Read("Y M D H v\n" + ramp("2020 1 31 {n} {n}\n", 4), column(0, 4), ("v",)),
    "days of a log": Read("t,v\n05JAN2020,1\n06JAN2020,2\n07JAN2020,3\n", column(1, 3), time=("2020-01-05",)),
    "weekdays in front": Read(
        "t,v\nMon 06/01/2020,1\nTue 14/01/2020,2\nWed 22/01/2020,3\n", time=("2020-01-06", "2020-01-14")
    ),
    "compact stamps": Read(
        "t,v\n20200105T123000Z,1\n20200105T123001Z,2\n20200105T123002Z,3\n", time=("2020-01-05 12:30:00",)
    ),
    "a comma in the seconds": Read('t,v\n"12:30:01,5",1\n"12:30:02,0",2\n"12:30:02,5",3\n', time=("12:30:01.500",)),
    "midnight at the end of a day": Read(
        "t;v\n31.12.2020 22:00;1\n31.12.2020 23:00;2\n31.12.2020 24:00;3\n",
        time=("2020-12-31 22:00", "2020-12-31 23:00", "2021-01-01 00:00"),
    ),
    "from and to": Read(
        "t,v\n" + ramp("01.02.2020 {n:02d}:00 - 01.02.2020 {n:02d}:30,{n}\n", 4),
        time=("2020-02-01 00:00",),
        said=("beginning",),
    ),
    "summer time by name": Read(
        "t,v\n2020-03-29 01:00 CET,1\n2020-03-29 03:00 CEST,2\n2020-03-29 04:00 CEST,3\n",
        time=("2020-03-29 00:00", "2020-03-29 01:00"),
    ),
    "YEARMODA": Read(
        "STN YEARMODA TEMP\n" + ramp("7 202001{n:02d} {n}.5\n", 4, 28),
        column(28.5, 4),
        time=("2020-01-28",),
        asked={"features": "TEMP"},
    ),
    "year, month, day, hour in one number": Read(
        "STATIONS_ID;MESS_DATUM;TT_TU\n" + ramp("44;20200229{n:02d};{n}\n", 5),
        time=("2020-02-29 00:00", "2020-02-29 01:00"),
        asked={"features": "TT_TU"},
    ),
    "dates without a name": Read(
        "a,b\n" + ramp("202001{n:02d},{n}\n", 12, 1), column(1, 12), ("b",), said=("read as dates",)
    ),
    "numbers that are no dates": Read("a,b\n" + ramp("{n},{n}\n", 12, 20200140), features=("a", "b")),
    "a spreadsheet's days": Read(
        "Date,v\n" + ramp("{n}.5,{n}\n", 4, 43831), time=("2020-01-01 12:00",), said=("spreadsheet",)
    ),
    # counters and clocks are no features
    "a counter and a clock in seconds": Read(
        "sample,eeg,Timestamp,Clock\n" + ramp("{n},{m},1614859200.{n:03d},2021-03-04 12:00:00.{n:03d}\n", 12),
        features=("eeg",),
    ),
    "a logger's record numbers": Read("t,RECORD,x\n" + ramp("2020-01-01 00:{n:02d},{n},{m}\n", 5, 17), features=("x",)),
    "milliseconds since 1970": Read(
        "open_time,close\n" + ramp("15778368{n:02d}000,{n}\n", 12),
        column(0, 12),
        ("close",),
        time=("2020-01-01 00:00:00",),
        said=("since 1970",),
    ),
    "seconds beside a date": Read(
        "date,Elapsed (s),x\n" + ramp("2020-01-01 00:00:{n:02d},{n}.0,{m}\n", 6),
        features=("x",),
        said=("another clock",),
    ),
    "steps walked are a signal": Read(
        "date,steps,x\n" + "2020-01-01,4100,1\n2020-01-02,9800,2\n2020-01-03,11900,3\n2020-01-04,20100,4\n",
        features=("steps", "x"),
    ),
    "ticks without a name": Read(
        "".join(f"{n % 3}.5,{4910596232 + 50 * n}\n" for n in range(12)), features=("column 1",)
    ),
    "row numbers without a name": Read(
        "".join(f"{n},{n * n % 7}.5\n" for n in range(1, 13)), features=("column 2",), said=("counts",)
    ),
    "a rising signal stays": Read("n,x\n" + ramp("{n},5\n", 5, 3), features=("n", "x")),
    # ids without a header
    "units and cycles": Read(
        UNITS,
        features=("column 3",),
        lengths=(5, 7, 6),
        names=("column 1 1", "column 1 2", "column 1 3"),
        said=("id=False",),
    ),
    "units and cycles with commas, from 0": Read(
        "".join(f"{unit},{step},{unit * step}.5\n" for unit in (12, 40, 7) for step in range(4)),
        features=("column 3",),
        lengths=(4, 4, 4),
    ),
    "units under other names are offered": Read(
        "a,b,x\n" + UNITS.replace(" ", ","), features=("a", "b", "x"), lengths=(18,), said=("id='a' reads 3 sequences",)
    ),
    # missing values written as numbers
    "-9999": Read(
        "t,x\n1,15\n2,-9999\n3,16\n4,-9999\n5,17\n", [[15], [15], [16], [16], [17]], said=("−9999", "missing_values=()")
    ),
    "-200 in columns of other ranges": Read(
        "co;nox\n2,5;300\n-200;-200\n3,1;120\n-200;-200\n2,8;1400\n2,2;210\n",
        [[2.5, 300], [2.5, 300], [3.1, 120], [3.1, 120], [2.8, 1400], [2.2, 210]],
    ),
    "999 of a direction": Read(
        "dir,x\n350,1\n10,2\n999,3\n20,4\n999,5\n340,6\n", [[350, 1], [10, 2], [10, 3], [20, 4], [20, 5], [340, 6]]
    ),
    "1e20": Read("x\n1.5\n1e20\n2.5\n1.00E+20\n3.5\n", [[1.5], [1.5], [2.5], [2.5], [3.5]], said=("1e+20",)),
    "9999 that is reached": Read("x\n9980\n9999\n9990\n9999\n9970\n", [[9980], [9999], [9990], [9999], [9970]]),
    "-99 among -98": Read("x\n-98\n-99\n-97\n-99\n-96\n-60\n", [[-98], [-99], [-97], [-99], [-96], [-60]]),
    "a price of 99.99": Read(
        "price\n5\n99.99\n6\n99.99\n7\n8\n9\n4\n", [[5], [99.99], [6], [99.99], [7], [8], [9], [4]]
    ),
    "200 is a usual value": Read("x\n1\n2\n200\n3\n200\n4\n", [[1], [2], [200], [3], [200], [4]]),
    "one -999 is only named": Read(
        "x\n15\n16\n-999\n17\n18\n", [[15], [16], [-999], [17], [18]], said=("missing_values=-999",)
    ),
    "missing values that are given": Read(
        "x,y\n1,M\n7,2\n3,3\n7,4\n", [[1, 2], [3, 3], [3, 4]], asked={"missing_values": [7, "M"]}
    ),
    "missing values that are declined": Read(
        "x\n15\n-9999\n16\n-9999\n", [[15], [-9999], [16], [-9999]], asked={"missing_values": ()}
    ),
    "a word in place of a number": Read(
        "x\n1\nNoData\nNoData\n4\nNoData\n", column(1, 1) * 3 + column(4, 1) * 2, said=("NoData",)
    ),
    # headers of numbers
    "columns 0, 1, 2": Read(
        "0,1,2\n1.50,2.50,3.00\n1.25,2.25,3.50\n",
        [[1.5, 2.5, 3], [1.25, 2.25, 3.5]],
        ("0", "1", "2"),
        said=("header=False",),
    ),
    "an index over nothing": Read(",0,1\n0,1.5,2.5\n1,1.25,2.25\n2,1.0,2.0\n", features=("0", "1"), lengths=(3,)),
    "one column 0": Read("0\n1.50\n2.50\n3.00\n", [[1.5], [2.5], [3]], ("0",)),
    "a date and columns 0, 1, 2": Read(
        "date;0;1;2;OT\n" + ramp("2020-01-0{n};{n},5;1,5;2,5;3,5\n", 3, 1), features=("0", "1", "2", "OT")
    ),
    "maturities": Read(
        "Date,0.25,1,10,30\n2020-01-01,1.5,1.6,1.9,2.3\n2020-01-02,1.4,1.5,1.8,2.2\n",
        features=("0.25", "1", "10", "30"),
    ),
    "rows that count up": Read("0,1,2\n1,2,3\n2,3,4\n", [[0, 1, 2], [1, 2, 3], [2, 3, 4]]),
    "sine and cosine from 0": Read(
        "0,1\n0.0998,0.995\n0.199,0.98\n0.296,0.955\n", features=("column 1", "column 2"), lengths=(4,)
    ),
    # lines
    "a semicolon ends each line": Read(
        ramp("7,up,{n}.5;\n", 4), column(0.5, 4), ("column 3",), said=("semicolon",), asked={"features": "column 3"}
    ),
    "a comma ends each line": Read(ramp("7\t{n}.5,\n", 4), column(0.5, 4), asked={"features": "column 2"}),
    "each line in quotes": Read('"a,b"\n"1,2.5"\n"3,4.5"\n', [[1, 2.5], [3, 4.5]], ("a", "b"), said=("quotes",)),
    "Markdown": Read("| t | x |\n|---|---|\n| 1 | 5 |\n| 2 | 6 |\n", column(5, 2), ("x",)),
    "a database's prompt": Read(" t | x \n---+---\n 1 | 5\n 2 | 6\n(2 rows)\n", column(5, 2), ("x",)),
    "a word ends the last lines": Read(
        "yyyy mm tmax\n         degC\n" + ramp("{y} {m} {n}.0\n", 14) + "1991 3 14.0 Provisional\n",
        column(0, 15),
        ("tmax",),
        time=("1990-01",),
        said=("Provisional",),
    ),
    "marks after numbers": Read("t,x\n1,5.5*\n2,6\n3,7#\n4,8\n", [[5.5], [6], [7], [8]], said=("mark",)),
    "a note below": Read("t,x\n1,5\n2,6\n3,7\nSource: made up\n", column(5, 3), said=("Source: made up",)),
    "two files in one": Read(
        "t,x\n1,5\n2,6\nt,x\n3,7\n4,8\n", column(5, 4), ("x",), time=("1", "2", "3", "4"), said=("repeated",)
    ),
    # rows that are no steps
    "totals": Read(
        "Month,North\n" + ramp("{n},{n}00\n", 5, 1) + "Total,1500\n", column(100, 5, 100), ("North",), said=("'Total'",)
    ),
    "totals and means": Read(
        "Monat;N\n" + ramp("{n};{n}\n", 6, 1) + "Summe;21\nMittelwert;3,5\n",
        column(1, 6),
        said=("'Summe' and 'Mittelwert'",),
    ),
    "totals above": Read("month,x\nGrand Total,6\n1,1\n2,2\n3,3\n", column(1, 3), ("x",), said=("'Grand Total'",)),
    "totals without a name": Read(
        "day,x,y\n1,1,4\n2,2,5\n3,3,6\n,6,15\n", [[1, 4], [2, 5], [3, 6]], said=("sum of the rows",)
    ),
    "a group named Total": Read("sex,t,x\n" + ramp("Male,{n},1\n", 3) + ramp("Total,{n},2\n", 3), lengths=(3, 3)),
    # numbers with more than digits
    "thousands and millions": Read(
        "t,Vol.\n1,40.5K\n2,1.2M\n3,-\n4,300\n", [[40500], [1.2e6], [1.2e6], [300]], said=("40.5K became 40500",)
    ),
    "Mio.": Read("t;v\n1;1,5 Mio.\n2;2 Mrd.\n3;3,5 Mio.\n", [[1.5e6], [2e9], [3.5e6]], ("v",)),
    "Indian grouping": Read('t,v\n1,"1,20,000.5"\n2,"12,34,56,789"\n', [[120000.5], [123456789]], ("v",)),
    "degrees": Read("t,v\n1,21.5 °C\n2,22 °C\n3,-3 °C\n", [[21.5], [22], [-3]], said=("unit '°C'",)),
    "Kelvin is no thousand": Read("t,temp\n1,300 K\n2,301 K\n", column(300, 2), ("temp",)),
    "minus behind": Read("t;v\n1;12,50-\n2;3,00\n3;4,00-\n", [[-12.5], [3], [-4]]),
    "below the limit": Read("t,v\n1,<0.5\n2,0.7\n3,<0.5\n", [[0.5], [0.7], [0.5]], said=("limit",)),
    "west is negative": Read("t,lon\n1,10.5W\n2,11.5W\n", [[-10.5], [-11.5]]),
    "codes are no numbers": Read("t,seat,x\n1,12A,5\n2,13B,6\n3,14C,7\n", features=("x",)),
    "hours are no units": Read("t,x\n10:30 AM,1\n11:30 AM,2\n12:30 PM,3\n", time=("10:30", "11:30", "12:30")),
    # headers of several rows
    "attributes above": Read(
        "Device,AB-7\nSerial,123\nRate,50\n\ntime,volt\n0,1.5\n1,2.5\n2,3.5\n", column(1.5, 3), ("volt",)
    ),
    "a logger's four lines": Read(
        '"TOA5","st1","CR1000","7"\n"TIMESTAMP","RECORD","Temp_Avg","RH"\n"TS","RN","Deg C","%"\n"","","Avg","Smp"\n'
        + ramp('"2020-01-01 00:0{n}:00",{n},{n}.5,"NAN"\n', 4),
        column(0.5, 4),
        ("Temp_Avg",),
    ),
    "tickers below": Read(
        "Price,Close,Close,Open\nTicker,AA,BB,AA\nDate,,,\n2020-01-02,1,2,3\n2020-01-03,4,5,6\n",
        features=("Close AA", "Close BB", "Open AA"),
    ),
    "LabVIEW": Read(
        "LabVIEW Measurement\t\nSeparator\tTab\n***End_of_Header***\t\n\nChannels\t2\t\t\n"
        "Samples\t3\t3\t\nX_Value\tV0\tV1\tComment\n"
        "0,000\t1,5\t2,5\n0,001\t1,25\t2,25\n0,002\t1,0\t2,0\n",
        [[1.5, 2.5], [1.25, 2.25], [1, 2]],
        ("V0", "V1"),
        time=("0", "0.001", "0.002"),
    ),
    # several tables
    "LabVIEW of one channel": Read(
        "LabVIEW Measurement\t\nWriter_Version\t2\n***End_of_Header***\t\n\nChannels\t1\t\nDate\t2020/01/01\t\n"
        "***End_of_Header***\t\t\nX_Value\tVoltage\tComment\n" + ramp("0.{n:03d}\t{n}.5\n", 6),
        column(0.5, 6),
        ("Voltage",),
    ),
    "two tables": Read(
        "t,acc\n" + ramp("{n},{n}\n", 6) + "\nt,gx,gy\n" + ramp("{n},{n},5\n", 4),
        column(0, 6),
        ("acc",),
        said=("2 tables", "table=1"),
    ),
    "the second of two tables": Read(
        "t;acc\n" + ramp("{n};{n}\n", 6) + "t;gx;gy\n" + ramp("{n};{n};5\n", 4),
        [[0, 5], [1, 5], [2, 5], [3, 5]],
        ("gx", "gy"),
        asked={"table": 1},
    ),
    "two tables of one width": Read(
        "t,a,b\n" + ramp("{n},1,2\n", 4) + "\nt,c,d\n" + ramp("{n},{n},4\n", 5), features=("c", "d"), said=("2 tables",)
    ),
    "three tables with titles": Read(
        "Part A\nt,a\n1,2\n2,3\n3,4\n\nPart B\nt,b,c\n" + ramp("{n},{n},5\n", 4) + "\nPart C\nx,y\n5,6\n6,7\n7,8\n",
        features=("b", "c"),
        lengths=(4,),
        said=("3 tables", "table=0, table=2"),
    ),
    "a blank line inside": Read("t,a\n1,5\n2,6\n\n3,7\n4,8\n", column(5, 4), ("a",)),
    "a spoiled row inside": Read("t,a\n1,5\n2,6\nbad,bad\n3,7\n4,8\n5,9\n", lengths=(6,)),
    # one series a row
    "dates along the header": Read(
        WIDE.format(","),
        column(1, 6),
        ("value",),
        (6, 6),
        ("2020-03-01", "2020-03-02"),
        ("Place Oslo", "Place Bergen"),
        ("6 dates",),
    ),
    "dates along the header, as features": Read(
        WIDE.format(";"),
        [[1, 6], [2, 5], [3, 4], [4, 3], [5, 2], [6, 1]],
        ("Oslo", "Bergen"),
        asked={"rows": "features"},
    ),
    "years along the header": Read(
        "country,"
        + ",".join(map(str, range(1990, 1998)))
        + "\nItaly,"
        + ",".join("13243546")
        + "\nSpain,"
        + ",".join("203345")
        + ",,\n",
        lengths=(8, 6),
        time=("1990", "1991"),
        names=("country Italy", "country Spain"),
    ),
    "months along the header": Read(
        "Year "
        + " ".join(MONTHS)
        + "\n"
        + "".join(f"{1990 + y} " + " ".join(f"{12 * y + m}.5" for m in range(12)) + "\n" for y in range(3)),
        column(0.5, 36),
        ("value",),
        time=("1990-01", "1990-02"),
        said=("months along the header",),
    ),
    "hours along the header": Read(
        "Day,00:00,08:00,16:00\n2020-01-01,0,1,2\n2020-01-02,3,4,5\n",
        column(0, 6),
        time=("2020-01-01 00:00", "2020-01-01 08:00"),
    ),
    "waves without a header": Read(
        "".join(f"{at % 2}," + ",".join(map(str, wave)) + "\n" for at, wave in enumerate(WAVES.tolist())),
        lengths=(24,) * 7,
        said=("series",),
    ),
    "rows said to be series": Read(
        "a,b,c\n1,2,3\n6,5,4\n", lengths=(3, 3), values=column(1, 3), asked={"rows": "series"}
    ),
    "dates along the header that stay": Read(WIDE.format(","), lengths=(2,), asked={"rows": "steps"}),
    # further exporters
    "a bank's years": Read(
        '"Data Source","made up",\n\n"Country Name","Code","2001","2002","2003","2004","2005",\n'
        '"Italy","ITA","1","2","5","4","3",\n"Peru","PER","2","1","7","4","2",\n',
        [*column(1, 2), [5], [4], [3]],
        ("value",),
        (5, 5),
        ("2001", "2002"),
        ("Country Name Italy", "Country Name Peru"),
    ),
    "an index of months without a header": Read(
        " 1990 1992\n"
        + "".join(f"{y} " + " ".join(f"{12 * (y - 1990) + m}.5" for m in range(12)) + "\n" for y in range(1990, 1993))
        + " -99.90\n Made up\n",
        column(0.5, 36),
        time=("1990-01", "1990-02"),
        said=("'-99.90' and 'Made up'",),
    ),
    "quarters along the header": Read(
        "     Qtr1 Qtr2 Qtr3 Qtr4\n1990 0.5 1.5 2.5 3.5\n1991 4.5 5.5 6.5 7.5\n",
        column(0.5, 8),
        time=("1990-01", "1990-04"),
    ),
    "flags and colons": Read(
        "geo\t2015 \t2016 \t2017 \t2018 \t2019 \nAT\t5.5 \t6.5 b\t: \t8.5 p\t9.5 \nBE\t1 \t2 \t4 \t8 \t7 \n",
        [[5.5], [6.5], [6.5], [8.5], [9.5]],
        lengths=(5, 5),
    ),
    "year and month without names": Read(
        "".join(f"{1749 + n // 12};{n % 12 + 1:02d};{1749 + n / 12:.3f};{n};{-n % 7}\n" for n in range(30)),
        features=("column 4", "column 5"),
        lengths=(30,),
        time=("1749-01", "1749-02"),
    ),
    "names in the last comment": Read(
        "# made up\n# STN,YYYYMMDD,   HH,    T\n\n" + ramp("  260,20200131,{n:5d}, {n}1\n", 4, 21),
        features=("STN", "T"),
        time=("2020-01-31 21:00", "2020-01-31 22:00"),
    ),
    "a serial monitor": Read(
        "".join(f"12:00:0{n}.500 -> {n}.5,7\n" for n in range(4)),
        [[n + 0.5, 7] for n in range(4)],
        time=("12:00:00.500",),
    ),
    "spaces in cells between tabs": Read(
        "time\tB\tkind\n" + ramp("2019-12-30 0{n}:00\t{n}\ta\n", 4), column(0, 4), ("B",), time=("2019-12-30 00:00",)
    ),
    "a current that rises": Read("time,I\n" + ramp("2019-12-30 0{n}:00,{n}\n", 4, 1), column(1, 4), ("I",)),
    "events share a time": Read("time,x\n0,1\n0.5,2\n0.5,3\n1,4\n", column(1, 4), ("x",), time=("0", "0.5", "0.5")),
    "a counter that wraps": Read(
        "Sample Index, EEG\n" + "".join(f"{n % 4}, {n}.5\n" for n in range(9)),
        column(0.5, 9),
        ("EEG",),
        said=("counts",),
    ),
    "settings beside the samples": Read(
        "".join(f"{'Points,9' if n == 0 else 'Volts,5' if n == 1 else ','},0.{n:03d},{n}.5\n" for n in range(9)),
        features=("column 3", "column 4"),
        said=("first 2 rows only",),
    ),
    "a wristband": Read(
        "1614859200.0,1614859200.0\n32.0,32.0\n" + ramp("{n},62\n", 5),
        lengths=(5,),
        time=("2021-03-04 12:00:00.000000",),
    ),
    "days without a year": Read(
        "Date/Time,x\n" + ramp(" 01/01  {n:02d}:00:00,{n}\n", 3, 1),
        column(1, 3),
        time=("01/01  01:00:00",),
        said=("labels the steps",),
    ),
    "tickers by turns": Read(
        "date,who,x\n" + "".join(f"2020-01-0{n},{who},{n}\n" for n in range(1, 5) for who in ("a", "b")),
        column(1, 4),
        lengths=(4, 4),
    ),
    "shops and items": Read(
        "date,store,item,sales\n"
        + "".join(f"2013-01-0{day},{s},{i},{day}\n" for s in (1, 2) for i in (1, 2, 3) for day in range(1, 5)),
        column(1, 4),
        ("sales",),
        (4,) * 6,
        names=tuple(f"store item {s}, {i}" for s in (1, 2) for i in (1, 2, 3)),
        said=("together identify the sequences",),
    ),
    "a grid of places": Read(
        "time,lat,lon,x\n" + "".join(f"{h}:00,{a},{o},{h}\n" for h in range(4) for a in (50, 50.5) for o in (5, 5.5)),
        column(0, 4),
        ("x",),
        (4,) * 4,
    ),
    "a few events at one time": Read(
        "patient,t,drug,x\n"
        + "".join(f"{p},{t},{'ab'[t % 2]},{t}\n" for p in (1, 2) for t in (1, 2, 3, 4, 5))
        + "1,6,a,6\n1,6,b,6\n",
        lengths=(7, 5),
    ),
    "places by turns are offered": Read(
        "time,lat,x\n" + "".join(f"{n}:00,{at},{n}\n" for n in range(1, 5) for at in (50.0, 50.5)),
        lengths=(8,),
        said=("id='lat' reads 2",),
    ),
}


def read(case: Read) -> Sequences:
    return read_table(case.text.encode(), scale="none", **case.asked)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CASES)
def test_becomes(name: str) -> None:
    case = CASES[name]
    seqs = read(case)
    first = seqs[0]
    if case.features is not None:
        assert seqs.features == case.features
    if case.values is not None:
        np.testing.assert_array_equal(first.values, np.float32(case.values))
    if case.lengths is not None:
        assert seqs.lengths == case.lengths
    if case.time is not None:
        assert first.time is not None
        assert tuple(first.time)[: len(case.time)] == case.time
    if case.names is not None:
        assert tuple(one.name for one in seqs) == case.names
    notices = " ".join(seqs.notices)
    for phrase in case.said:
        assert phrase in notices


def test_what_was_read_as_dates_can_be_a_feature() -> None:
    seqs = read_table(b"a,b\n" + ramp("202001{n:02d},{n}\n", 12, 1).encode(), features="a", time=False, scale="none")
    assert seqs[0].values[0, 0] == np.float32(20200101)


@pytest.mark.parametrize(
    ("text", "asked", "phrase"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", {}, "git lfs pull"),
        ("404: Not Found", {}, "404"),
        ("/annex/objects/SHA256E-s123--abc.csv\n", {}, "git-annex"),
        ("a,b\n1,2\n3,4\n", {"rows": "both"}, "'steps', 'series' and 'features'"),
        ("a,b\n1,x\n3,y\n", {"rows": "series"}, "1 column of numbers"),
        ("a,b\n1,2\n3,4\n5,6\n", {"table": 2}, "table=2"),
    ],
)
def test_is_refused_with_the_way_out(text: str, asked: dict[str, object], phrase: str) -> None:
    with pytest.raises(SequenceError) as raised:
        open_table(text.encode(), **asked)  # type: ignore[arg-type]
    assert phrase in str(raised.value)
