"""Write the messy files beside this script: `python tests/sequences/messy/write.py`."""

from __future__ import annotations

from pathlib import Path

FILES: dict[str, bytes] = {
    "stocks_long.csv": b'Date,Symbol,Open,Volume\n2020-01-02,AAPL,74.06,"135,480,400"\n'
    b'2020-01-02,MSFT,158.78,"22,622,100"\n'
    b'2020-01-03,AAPL,74.29,"146,322,800"\n2020-01-03,MSFT,158.32,"21,116,200"\n2020-01-06,AAPL,73.45,"118,387,200"\n',
    "stocks_us_dates.csv": b"Date,Close/Last,Volume\n01/15/2021,$127.14,111598500\n01/14/2021,$128.91,90221760\n"
    b"01/13/2021,$130.89,88636830\n",
    "sensor_german.csv": "Zeitstempel;Temperatur [°C];Druck [hPa]\r\n01.02.2019 10:00;21,5;1.013,2\r\n"
    "01.02.2019 10:10;21,7;1.013,1\r\n01.02.2019 10:20;;998,7\r\n".encode("cp1252"),
    "sensor_excel_sep.csv": b"sep=;\r\ntime;v\r\n1;0,5\r\n2;0,75\r\n3;1,25\r\n",
    "sensor_french.csv": "date;consommation;prix\n2021-03-01;1\u202f234,5;2,00\n2021-03-02;1\u202f300,0;2,10\n"
    "2021-03-03;980,25;2,05\n".encode(),
    "sensor_swiss.csv": b"t;umsatz\n1;1'234.50\n2;12'001.00\n3;950.25\n",
    "patients.csv": b"patient,day,pulse,drug\n7,1,80,A\n7,2,,B\n3,2,70,A\n3,1,66,A\n7,4,84,\n",
    "weather_units.csv": "Station: Kahler Asten, 839 m\nTimestamp,Temperature,Rain,Wind\n,°C,mm,m/s\n"
    "2020-06-01 00:00,11.5,0.0,3.2\n2020-06-01 01:00,11.1,0.2,2.9\n2020-06-01 02:00,---,0.0,3.0\n".encode(),
    "weather_fixed.txt": b"# station 42\n# year  temp  rain\n 1999   8.1   700\n 2000   9.0   650\n 2001   8.7   810\n",
    "gps_log.csv": b"timestamp,lat,lon,speed\n2022-05-01T08:00:00Z,48.1371,11.5754,0.0\n"
    b"2022-05-01T08:00:01Z,48.1372,11.5755,1.2\n2022-05-01T08:00:05Z,48.1375,11.5758,1.4\n",
    "gps_epoch.tsv": b"unix_time\tlat\tlon\n1600000000\t48.1\t11.5\n1600000060\t48.2\t11.6\n1600000120\t48.3\t11.7\n",
    "utf8_bom.csv": "\ufeffgröße,x\n1,2\n3,4\n".encode(),
    "utf16_le_bom.csv": "\ufeffa\tb\r\n1\t2\r\n3\t4\r\n".encode("utf-16-le"),
    "utf16_be_bom.csv": "\ufeffa;b\n1;2\n3;4\n".encode("utf-16-be"),
    "utf16_le_bare.csv": "a,b\n1,2\n3,4\n".encode("utf-16-le"),
    "latin1.csv": "température,café\n1,2\n3,4\n".encode("latin-1"),
    "no_header.csv": b"0.5,1.5,2\n0.25,1.75,3\n0.125,2.5,1\n",
    "no_header_two_ints.csv": b"1,5\n2,5\n3,7\n",
    "lone_decimal_comma.csv": b"wert\n1,5\n2,5\n3,7\n",
    "ambiguous_thousands.csv": b"t;v\n1;1,234\n2;1,256\n3;1,300\n",
    "quoted.csv": b'note,x,y\n"a, b",1,2\n"line one\nline two",3,4\n"say ""hi""",5,6\n',
    "quoted_decimal_comma.csv": b'x,y\n"1,5","2,25"\n"3,5","4,75"\n',
    "pipes.txt": b"a|b|c\n1|2|x\n3|4|y\n",
    "blanks_aligned.txt": b"   x      y\n 1.0   -2.5\n 3.0    4.5\n",
    "r_row_names.txt": b'"mpg" "cyl" "hp"\n"Mazda RX4" 21 6 110\n"Datsun 710" 22.8 4 93\n',
    "pandas_index.csv": b",a,b\n0,5,1.5\n1,4,2.5\n2,7,3.5\n",
    "comments_amid.csv": b"# made by hand\na,b\n1,2\n# a pause\n3,4\n5,6\n",
    "matlab_comment.txt": b"% t, y\n0.1, 2\n0.2, 3\n0.3, 1\n",
    "titles.csv": b"Monthly report\nprinted 2020-01-01\n\nmonth,sales\nJan 2020,10\nFeb 2020,12\nMar 2020,9\n\n\n",
    "trailing_commas.csv": b"a,b,,\n1,2,,\n3,4,,\n,,,\n,,,\n",
    "short_last.csv": b"a,b,c\n1,2,3\n4,5,6\n7,8\n",
    "mac_lines.csv": b"a,b\r1,2\r3,4\r",
    "missing_marks.csv": b"t,a,b\n1,1,NA\n2,N/A,5\n3,?,6\n4,-,null\n5,3,#N/A\n",
    "words_among_numbers.csv": b"x\n" + b"".join(b"%d\n" % n for n in range(19)) + b"broken\n",
    "percent_money.csv": "rate,price\n5 %,€ 10\n7.5 %,€ 12\n-1 %,€ 9\n".encode(),
    "truths.csv": b"on,door\nTRUE,yes\nFALSE,no\nTRUE,yes\n",
    "exponents.csv": b"a,b\n1e-3,1.5E+10\n2e-3,-2.5E+10\n",
    "duplicates.csv": b"x,x,,x\n1,2,3,4\n5,6,7,9\n",
    "unsorted.csv": b"date,v\n2020-01-03,3\n2020-01-01,1\n2020-01-02,2\n2020-01-02,2.5\n",
    "us_or_eu_dates.csv": b"date,v\n01/02/2019,1\n02/02/2019,2\n03/02/2019,3\n",
    "infinite_huge.csv": b"a,b\n1,1\ninf,2\n3,1e12\n4,3\n",
    "years_wide.csv": b"country,2000,2001,2002\nItaly,1.5,1.6,1.7\nSpain,2.5,2.6,2.8\n",
    "constant.csv": b"a,b\n1,5\n2,5\n3,5\n",
    "clock_only.csv": b"clock,v\n10:00:00,1\n10:00:30,2\n10:01:00,3\n",
    "empty.csv": b"",
    "blank_lines.csv": b"\n \n\r\n",
    "header_only.csv": b"a,b,c\n",
    "one_row.csv": b"a,b\n1,2\n",
    "ragged.csv": b"a,b,c\n1,2,3\n4,5,6\n7,8,9,10\n",
    "header_narrow.csv": b"a,b\n1,2,3,4\n5,6,7,8\n",
    "open_quote.csv": b'a,b\n1,2\n3,"4\n5,6\n',
    "picture.csv": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "workbook.csv": b"PK\x03\x04\x14\0\0\0xl/workbook.xml",
    "pickle.csv": b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x05hello\x94.",
    "nul.csv": b"a,b\n1,2\n3,\x004\n",
    "noise.csv": bytes((7 * n * n + 3 * n) % 31 + 1 for n in range(200)),
    "all_missing.csv": b"a,b\nNA,\n,NA\n",
    "only_text.csv": b"name,town\nAnna,Rome\nBen,Oslo\n",
    "page.csv": b"<!DOCTYPE html>\n<html><body>404</body></html>\n",
    "cut.parquet": b"PAR1\x15\x04\x15\x10nonsense",
}

if __name__ == "__main__":
    for name, data in FILES.items():
        (Path(__file__).parent / name).write_bytes(data)
